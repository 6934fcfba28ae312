"""The page at /docs: Swagger UI over the API's own document, with nothing from any other machine.

Clinics are often without a way to the outside, and a page that is fetched from a stranger's server
could send what is typed into it anywhere. Its script and its style come from a package here.
"""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

router = APIRouter(prefix="/docs", include_in_schema=False)

_PACKAGE: Final = "fastapi_offline"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load and whom it may ask: this service alone, however it is written."""
_KEPT: Final = {"Cache-Control": "public, max-age=3600"}

# Addresses are relative, so that they hold behind a proxy that shows the service under a path.
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AggPose service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# The key that is typed in is forgotten with the page, and no document is sent to a validator.
_START: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


@router.get("")
async def page() -> Response:
    """The page."""
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return Response(_PAGE, headers=headers, media_type="text/html")


@router.get("/start.js")
async def start() -> Response:
    """What starts Swagger UI."""
    return Response(_START, headers=_KEPT, media_type="text/javascript")


@router.get("/swagger-ui.js")
def script() -> Response:
    """Swagger UI itself."""
    return Response(_asset("swagger-ui-bundle.js"), headers=_KEPT, media_type="text/javascript")


@router.get("/swagger-ui.css")
def style() -> Response:
    """How it looks."""
    return Response(_asset("swagger-ui.css"), headers=_KEPT, media_type="text/css")


def _asset(name: str) -> bytes:
    return (files(_PACKAGE) / "static" / name).read_bytes()
