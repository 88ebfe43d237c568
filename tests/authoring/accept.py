"""`python -m tests.authoring.accept`: write what `check` says now beside every wrong folder."""

from __future__ import annotations

from tests.authoring.folders import CASES, shown


def main() -> None:
    for case in sorted(CASES.iterdir()):
        (case / "expected.txt").write_text(shown(case.name), encoding="utf-8")


if __name__ == "__main__":
    main()
