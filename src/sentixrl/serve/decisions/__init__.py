"""Typed decisions with probabilities, in the two formats that clients speak."""

from fastapi import APIRouter

from sentixrl.serve.decisions import openai_format, systemone

router = APIRouter()
router.include_router(systemone.router)
router.include_router(openai_format.router)
