"""The page, as HTML."""

from html import escape


def page(visits: int, store: str, received: int, broker: str) -> str:
    """What the first page shows."""
    return f"""<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body>
    <h1>{{project}}</h1>
    <p>Visit number {visits}, counted in {escape(store)}.</p>
    <form method="post" action="/messages"><button>Send a message</button></form>
    <p>Messages received from {escape(broker)}: {received}.</p>
  </body>
</html>
"""
