"""What shadow models say about leads: kept beside the live score, deciding nothing."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import BIG


class ShadowScoreRow(SQLModel, table=True):
    __tablename__ = "shadow_score"

    lead_id: int = Field(primary_key=True, sa_type=BIG)
    model: str = Field(primary_key=True)
    engagement: int
    fit_low: int
    cell: str
    action: str
    at: datetime
