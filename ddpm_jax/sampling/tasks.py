"""The table of tasks, and the task that config.sample names."""

from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, Table, chosen, made
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import image_tasks
from ddpm_jax.sampling.task import FROM_NOISE, Images, Task, TaskOptions

# Each makes a `Task` of its options and `Images`. "from_noise": samples start from noise alone.
TASKS: Table = {
    "generate": Choice(TaskOptions, lambda *_: FROM_NOISE, frozenset({"from_noise"})),
    "inpainting": image_tasks.INPAINTING,
    "colorization": image_tasks.COLORIZATION,
    "super_resolution": image_tasks.SUPER_RESOLUTION,
    "image_to_image": image_tasks.IMAGE_TO_IMAGE,
    "interpolation": image_tasks.INTERPOLATION,
}


def of(config: Config, shape: tuple[int, int, int], num_values: int) -> Task:
    """The task of config.sample, with its image files read.

    Args:
      config: the run's config.
      shape: shape of the model's images, (height, width, channels).
      num_values: number of pixel values.

    Raises:
      ConfigError: a file is not the image that is needed.
    """
    choice, options = chosen(TASKS, config.sample, "task", "sample")
    where = f"config.sample.{config.sample.task}"
    task: Task = made(choice, options, where, Images(config, shape, num_values))
    return task


def options_of(config: Config) -> TaskOptions:
    """The options of config.sample.task."""
    _, options = chosen(TASKS, config.sample, "task", "sample")
    assert isinstance(options, TaskOptions)
    return options


def without_files(config: Config) -> Task:
    """The task of config.sample if it reads no files, as during training.

    Raises:
      ConfigError: config.sample.task reads files.
    """
    choice, options = chosen(TASKS, config.sample, "task", "sample")
    if options_of(config).files:
        raise ConfigError(
            f"config.sample.task = {config.sample.task!r} is for --mode=sample alone: write"
            " 'generate'."
        )
    task: Task = choice.make(options, None)
    return task


def check(config: Config) -> None:
    """Checks the task's options, before a file is read."""
    c, options = config.sample, options_of(config)
    for name, path in options.files.items():
        if not path:
            raise ConfigError(
                f"config.sample.task = {c.task!r} needs config.sample.{c.task}.{name}, a PNG"
                " or JPEG file."
            )
    for message in options.wrong(config):
        raise ConfigError(message)
