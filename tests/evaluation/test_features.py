"""Judges that a config names: found, or refused in one line."""

import pathlib

import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import features

pytestmark = pytest.mark.usefixtures("small_network", "one_device")
TORCH = pathlib.Path(__file__).parents[1] / "interop"


def test_the_config_names_the_judge(restored, judged, extractor):
    again = features.make(judged(), restored.mesh, restored.source, restored.others)
    assert again.identity == extractor.identity
    assert extractor.identity["name"] == "classifier"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"classifier": ""},
            r"config.eval.quality.extractor = 'classifier' needs"
            r" config.eval.quality.classifier, the workdir of a run of a config such as"
            r" configs/digits_classifier.py\.$",
        ),
        (
            {"extractor": "inception"},
            r"config.eval.quality.extractor = 'inception' needs"
            r" config.eval.quality.inception, the file pt_\S+\.pth\.$",
        ),
        ({"extractor": "clasifier"}, r"Did you mean 'classifier'"),
        (
            {"preparation": "tensorflw"},
            r"config.eval.quality.preparation = 'tensorflw' .*Did you mean 'tensorflow'",
        ),
    ],
)
def test_what_cannot_work_is_told_in_one_line(judged, changes, message):
    c = judged(**{f"eval__quality__{name}": value for name, value in changes.items()})
    with pytest.raises(ConfigError, match=message) as error:
        features.check(c)
    assert "\n" not in str(error.value)


def test_extractors_that_cannot_be_had_are_refused(restored, judged, run, tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    inception = r"config.eval.quality.inception = "
    by_classifier = r"config.eval.quality.classifier = "
    for field, value, message in (
        ("inception", tmp_path / "nowhere.pth", rf"{inception}.* cannot be read \(No"),
        ("inception", tmp_path / "text.pth", rf"{inception}.*text.pth': "),
        ("inception", TORCH / "zip.pth", rf"{inception}.*zip.pth'.*(fc|Conv|Mixed)"),
        (
            "classifier",
            tmp_path / "nowhere",
            rf"{by_classifier}.* holds no config.json",
        ),
        ("classifier", run, rf"{by_classifier}.* is of config.model.name = 'unet'"),
    ):
        options = {f"eval__quality__{field}": str(value)}
        c = judged(eval__quality__extractor=field, **options)
        features.check(c)
        with pytest.raises(ConfigError, match=message) as error:
            features.make(c, restored.mesh, restored.source, restored.others)
        assert "\n" not in str(error.value)
