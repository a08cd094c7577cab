"""Every combination of overlay and components, rendered once for all tests below."""

import pytest
from renderings import Rendering, render_all


@pytest.fixture(scope="session")
def renderings(tmp_path_factory: pytest.TempPathFactory) -> list[Rendering]:
    """All combinations; they differ in what is deployed, and must agree in what a test asks."""
    return render_all(tmp_path_factory.mktemp("renderings"))


@pytest.fixture(scope="session")
def production(renderings: list[Rendering]) -> Rendering:
    """Production without components, which is what Argo CD applies."""
    return next(found for found in renderings if str(found) == "production")
