"""Mistakes in points as data, in their decoder, density and network."""

from tests.planted.mistake import Mistake

DATA, LIKELIHOOD = "ddpm_jax/data", "ddpm_jax/diffusion/likelihood"


def _planted(what: str, file: str, old: str, new: str, *tests: str) -> Mistake:
    folder, _, name = file.replace("ddpm_jax/", "tests/").rpartition("/")
    return Mistake(what, file, old, new, tests or (f"{folder}/test_{name}",))


MISTAKES = (
    _planted(
        "a pickled array is read",
        "ddpm_jax/core/number_files.py",
        "allow_pickle=False",
        "allow_pickle=True",
    ),
    _planted(
        "numbers that are not finite are read",
        "ddpm_jax/core/number_files.py",
        "if not np.all(np.isfinite(values)):",
        "if np.any(np.isnan(values)):",
    ),
    _planted(
        "the weights of a mixture are not in its density",
        f"{DATA}/point_distributions.py",
        "log_scale = np.log(self.weights) - self.dimensions",
        "log_scale = -math.log(len(self.weights)) - self.dimensions",
    ),
    _planted(
        "the normal numbers of Box and Muller are too wide",
        f"{DATA}/point_distributions.py",
        "np.sqrt(-2.0 * np.log(uniforms",
        "np.sqrt(-2.1 * np.log(uniforms",
    ),
    _planted(
        "both coordinates have the same normal number",
        f"{DATA}/point_distributions.py",
        "radius * np.sin(angle)], axis=2",
        "radius * np.cos(angle)], axis=2",
    ),
    _planted(
        "a quadrature ends too early",
        f"{DATA}/point_distributions.py",
        "reach = 9.0 * self.stds.max()",
        "reach = 3.0 * self.stds.max()",
    ),
    _planted(
        "the error of an entropy over draws is that of one",
        f"{DATA}/point_distributions.py",
        "error = log_density.std() / math.sqrt(num)",
        "error = log_density.std() / num",
    ),
    _planted(
        "every seed draws the same points",
        f"{DATA}/point_distributions.py",
        "key = np.array([seed % 2**64, stream], np.uint64)",
        "key = np.array([0, stream], np.uint64)",
    ),
    _planted(
        "the points have the bits of their order",
        f"{DATA}/point_distributions.py",
        "TRAIN, TEST, FRESH, ENTROPY = range(100, 104)",
        "TRAIN, TEST, FRESH, ENTROPY = range(4)",
        f"{DATA.replace('ddpm_jax', 'tests')}/test_pipeline.py",
        *("-k", "streams"),
    ),
    _planted(
        "two peaks have a standard deviation of a half",
        f"{DATA}/point_shapes.py",
        "[math.sqrt(0.5)]",
        "[0.5]",
    ),
    _planted(
        "components are a standard deviation apart",
        f"{DATA}/point_shapes.py",
        "num = math.ceil(2.0 * place[-1] / spread)",
        "num = math.ceil(place[-1] / spread)",
    ),
    _planted(
        "an option that says nothing of a distribution is taken",
        f"{DATA}/point_shapes.py",
        "if name not in self.takes and value",
        "if name in () and value",
    ),
    _planted(
        "every tenth point of a file is in both splits",
        f"{DATA}/points.py",
        "is_test if SPLITS[split] == point_distributions.TEST else ~is_test",
        "is_test if SPLITS[split] == point_distributions.TEST else is_test >= 0",
    ),
    _planted(
        "a file is known by its size",
        f"{DATA}/points.py",
        "repr(points.shape).encode() + points.tobytes()",
        "repr(points.shape).encode()",
    ),
    _planted(
        "fresh points are those of the training split",
        f"{DATA}/points.py",
        "stream = point_distributions.FRESH",
        "stream = point_distributions.TRAIN",
    ),
    _planted(
        "a part of a source has no known density",
        f"{DATA}/pipeline.py",
        "self.density = known_density(source)",
        "self.density = None",
        "tests/data/test_points.py",
    ),
    _planted(
        "padding of points is of uint8",
        f"{DATA}/pipeline.py",
        "dtype = pixel_dtype(source.num_values)",
        "dtype = np.uint8",
        "tests/data/test_pipeline.py",
        *("-k", "padding"),
    ),
    _planted(
        "the decoder's density is that of x",
        "ddpm_jax/diffusion/process/gaussian_decoder.py",
        "+ math.log(self.scale)",
        "+ 0.0 * math.log(self.scale)",
    ),
    _planted(
        "a unit of the data is scale units of x",
        "ddpm_jax/diffusion/process/gaussian_decoder.py",
        "return 1.0 / self.scale",
        "return self.scale",
    ),
    _planted(
        "the change of variables is of one dimension",
        f"{LIKELIHOOD}/dequantization.py",
        "log_derivative = x[0].size * jnp",
        "log_derivative = jnp",
        "tests/diffusion/process/test_gaussian_decoder.py",
    ),
    _planted(
        "the change of variables forgets alpha_0",
        f"{LIKELIHOOD}/dequantization.py",
        "return Dequantized(alpha * x, jnp.full",
        "return Dequantized(x, jnp.full",
    ),
    _planted(
        "real numbers are spread over bins",
        "ddpm_jax/evaluation/likelihoods/flow.py",
        'if choice.has("needs_bins" if setting.is_continuous else "needs_real_numbers"):',
        'if choice.has("needs_bins") and setting is None:',
    ),
    _planted(
        "a decoder of pixel values is taken for real numbers",
        "ddpm_jax/models/build.py",
        "if name in PIXEL_DECODERS and name not in fits:",
        "if name not in PIXEL_DECODERS:",
        "tests/models/test_build.py",
        *("-k", "decoder"),
    ),
    _planted(
        "x_hat of real numbers is cut",
        "ddpm_jax/sampling/checks.py",
        'THRESHOLDS[c.threshold].has("cuts_to_range")',
        'not THRESHOLDS[c.threshold].has("cuts_to_range")',
    ),
    _planted(
        "real numbers go into PNG files",
        "ddpm_jax/sampling/shards.py",
        "False, _to_png, _from_png, False)",
        "False, _to_png, _from_png, True)",
    ),
    _planted(
        "points are stored as uint8",
        "ddpm_jax/sampling/shards.py",
        "np.zeros((0, *shape), pixel_dtype(num_values))",
        "np.zeros((0, *shape), np.uint8)",
    ),
    _planted(
        "a block of the perceptron is not told the time",
        "ddpm_jax/nets/mlp.py",
        'h = h + dense(self.features, dtype=self.dtype, name="emb")(emb)',
        'h = h + 0.0 * dense(self.features, dtype=self.dtype, name="emb")(emb)',
    ),
    _planted(
        "a block of the perceptron is no residual",
        "ddpm_jax/nets/mlp.py",
        "return x + dense(self.features, scale=0.0",
        "return dense(self.features, scale=0.0",
    ),
)
