"""What a load balancer and an orchestrator ask."""

import sqlalchemy as sa
from fastapi import APIRouter

from app.database.session import ReadSessionDep

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Answer as long as the process runs; a failure means that it should be restarted."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(session: ReadSessionDep) -> dict[str, str]:
    """Ask the database; 503 means that requests should go elsewhere for now."""
    await session.execute(sa.text("SELECT 1"))
    return {"status": "ok"}
