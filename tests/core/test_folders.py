import pytest
from etils import epath

from ddpm_jax.core import folders
from ddpm_jax.core.errors import ConfigError


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_computed(tmp_path):
    path = epath.Path(tmp_path)
    folders.make_folder(path / "eval")
    assert list((tmp_path / "eval").iterdir()) == []
    (tmp_path / "samples").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match=r"samples cannot be written .*nothing was"):
        folders.make_folder(path / "samples")
    with pytest.raises(ConfigError, match=r"or write another config\.eval\.folder\."):
        folders.make_folder(path / "samples", "config.eval.folder")
