"""`python -m tests.authoring.accept`: write what `check` and `schema` say now into the files that pin it.

Read the difference before keeping it.
"""

from __future__ import annotations

from nurture.authoring.schema import FILES, as_text
from tests.authoring.folders import CASES, HERE, shown


def main() -> None:
    for case in sorted(CASES.iterdir()):
        (case / "expected.txt").write_text(shown(case.name), encoding="utf-8")
    for kind in FILES:
        (HERE / "golden" / f"{kind}.schema.json").write_text(as_text(kind), encoding="utf-8")
        (HERE.parent.parent / "campaigns" / f"{kind}.schema.json").write_text(as_text(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
