"""The watched function: answers with the mode that it runs in."""

import os


def handler(event, context):
    return {"mode": os.environ.get("MODE", "unknown")}
