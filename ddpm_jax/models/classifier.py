"""The classifier of noisy images, bound by parameters to a function of latents."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Key

from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.models.backbone import NO_CONDITIONING, Backbone
from ddpm_jax.nets.classifier import ClassifierOutput
from ddpm_jax.training.state import Params

# z_t [batch, ...] and t [batch] -> logits of every class, and features.
Classify = Callable[[Array, Array], ClassifierOutput]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierModel(Backbone):
    """A classifier of noisy images; its network returns `nets.classifier.ClassifierOutput`."""

    def bind(
        self,
        params: Params,
        dropout_keys: Key[Array, " batch"] | None = None,
        log_snr: LogSnr | None = None,
    ) -> Classify:
        """The classifier with these parameters; its arguments are those of `Denoiser.bind`."""
        log_snr_of, network_time = log_snr or self.log_snr(params), self.time(params)

        def classify(z_t: Array, t: Array) -> ClassifierOutput:
            time = network_time(t, log_snr_of(t))
            output = self.output(
                params["net"], z_t, time, NO_CONDITIONING, dropout_keys
            )
            assert isinstance(output, ClassifierOutput)
            return output

        return classify
