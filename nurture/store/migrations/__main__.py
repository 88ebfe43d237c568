"""`make migration M='what changed'`: write the migration from the newest schema to the tables of the code."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from nurture.store import open_store
from nurture.store.schema import config, ensure

with tempfile.TemporaryDirectory() as folder:
    store = open_store(f"sqlite:///{folder}/now.db")
    ensure(store)
    setup = config()
    known = len(list((Path(__file__).parent / "versions").glob("*.py")))
    with store.begin() as conn:
        setup.attributes["connection"] = conn
        command.revision(
            setup, message=" ".join(sys.argv[1:]) or "change", autogenerate=True, rev_id=f"{known + 1:04d}"
        )
