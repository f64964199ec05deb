"""The image that containers run, and programs that have an environment of their own."""

import pytest

from tests.support import container


@pytest.fixture(scope="session")
def image() -> str:
    if container.why_not():
        pytest.skip(container.why_not())
    if not container.has_image(container.base()):
        pytest.skip("the base image of the Dockerfile is not here, and no registry of images answers")
    container.build()
    return container.IMAGE
