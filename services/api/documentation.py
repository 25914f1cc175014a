"""/docs: Swagger UI over the OpenAPI document. Its files come from a package, not from another site."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_FILES = "docs/files"  # all addresses on the page are relative: a proxy may serve it under a path of its own


def add_documentation(app: FastAPI) -> None:
    """Add the page and its files."""
    page = get_swagger_ui_html(
        openapi_url="./openapi.json",
        title=app.title,
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon-32x32.png",
    ).body

    @app.get("/docs", include_in_schema=False, response_model=None)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page)

    app.mount(f"/{_FILES}", StaticFiles(packages=[("fastapi_swagger", "resources")]))
