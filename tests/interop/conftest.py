import pytest

from tests.interop.files import FORMATS, SIX, WRITE


@pytest.fixture(params=FORMATS)
def write(request, tmp_path):
    """Writes a file of one of the formats and returns its path."""

    def write(loaded, storages=SIX):
        path = tmp_path / "w.pth"
        WRITE[request.param](path, loaded, storages)
        return path

    return write
