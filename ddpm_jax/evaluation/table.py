"""The table of estimators of evaluation."""

from ddpm_jax.core.choice import Table
from ddpm_jax.evaluation import accuracy
from ddpm_jax.evaluation.likelihoods import flow, variational
from ddpm_jax.evaluation.sample_metrics import (
    distances,
    inception_score,
    neighbours,
    transport,
)

# A choice is of one of three kinds, by a trait that says what it measures and makes:
#
#   likelihood       of a denoiser: a `LikelihoodEstimator`, of its options and a `Setting`
#   of_samples       of a denoiser: a `SampleMetric`, of its options
#   of_a_classifier  of a classifier: a `Measurement`, of its options, the config, the
#                    devices, the model and the split
#
# Further traits of a likelihood: "is_the_bound", of the reverse process, which a run's metrics
# have under a plain name; "takes_pilot", if config.eval.pilot_examples asks for one;
# "needs_a_chain"; "between_latents", it asks the model there; "clips_nothing", x_hat may leave
# the data's range. Of a metric: "compares_covariances"; "needs_independent_samples";
# "by_classes", of the extractor.
ESTIMATORS: Table = {
    "stratified": variational.STRATIFIED,
    "full": variational.FULL,
    "ode": flow.CHOICE,
    "fid": distances.FID,
    "kid": distances.KID,
    "inception_score": inception_score.CHOICE,
    "precision_recall": neighbours.PRECISION_RECALL,
    "density_coverage": neighbours.DENSITY_COVERAGE,
    "wasserstein": transport.CHOICE,
    "accuracy": accuracy.CHOICE,
}
KINDS = frozenset({"likelihood", "of_samples", "of_a_classifier"})
