"""The config: every field there is, with its default.

A config file starts from `default()` and states the difference. What belongs to one choice
stands in a group of that choice's name (`schedule.cosine` for `schedule.name = "cosine"`),
so that any choice can be made by an override.
"""

from typing import TypeVar

from ml_collections import ConfigDict as Config

T = TypeVar("T")


def default() -> Config:
    """Every field there is. A config without data.name and model sizes is not complete."""
    c = Config()
    c.seed = 0
    c.prediction = "eps"  # Of the network: eps, x, v, score or mean.
    c.reverse_variance = "forward"  # Of p(z_s | z_t): posterior, forward or learned.

    c.data = dict(
        name="digits",  # digits, photos, tfds:<name> or folder:<path>.
        batch_size=128,  # Global.
        image_size=0,  # Resize to this height and width; 0: as stored.
        center_crop=0,  # Before the resize, to this height and width; 0: none.
        channels=0,  # 1 or 3; 0: as stored, or 3 for a folder.
        stride=8,  # Between patches of "photos".
        data_dir="",  # Where TFDS keeps its data sets; "": its own default.
        train_split="train",
        eval_split="test",
        flip=False,  # Horizontally, half of the times an example is seen.
        rotate=False,  # By 90, 180 or 270 degrees, half of the times.
        augmentation_flag=False,  # The network is told of both, and 0 in evaluation.
        skip_broken=False,  # Image files of a folder that cannot be read.
        num_threads=4,  # That read batches; large files gain by more.
        num_workers=0,  # Processes that read, where threads are not enough; 0: none.
        num_prefetch=16,  # Batches held ready.
    )

    c.schedule = dict(
        name="linear_beta",
        num_steps=1000,  # T, the number of latents; 0: infinity, continuous time.
        linear_beta=dict(beta_start=1e-4, beta_end=0.02, rescale=False),
        quadratic_beta=dict(beta_start=1e-4, beta_end=0.02),
        cosine_beta=dict(offset=0.008, max_beta=0.999),
        sigmoid_beta=dict(beta_start=1e-4, beta_end=0.02, sharpness=6.0),
        constant_beta=dict(beta=0.01),
        cosine=dict(log_snr_min=-10.0, log_snr_max=10.0),
        linear_log_snr=dict(log_snr_min=-10.0, log_snr_max=10.0),
        learned_monotone=dict(
            interior="network",  # Between the ends: line, network or polynomial.
            log_snr_min=-5.0,  # Where the ends start.
            log_snr_max=13.3,
            min_bounds=(-15.0, 0.0),  # What they stay between.
            max_bounds=(1.0, 20.0),
            learn_ends=True,
            num_features=1024,  # Of the network.
            degree=12,  # Of the polynomial.
        ),
    )
    c.decoder = dict(
        name="discretized_gaussian",  # Or categorical.
        mean="x_hat",  # The network's estimate at z_0, or z_0 itself, over alpha_0.
    )

    c.model = dict(
        name="unet",  # Or vdm_unet; or classifier, which sorts noisy images into classes.
        class_conditional=False,  # The network is told the class of an image.
        label_dropout=0.1,  # How often in training it is not: it learns p(x) beside.
        time_input="t",  # What the network is told: t, or log_snr.
        log_snr_bounds=(),  # That log_snr is normalised by; (): the schedule's ends.
        time_scale=0.0,  # The network sees 0..time_scale; 0: 0..T-1, or 0..1000.
        unet=dict(
            base_features=128,
            feature_mults=(1, 2, 2, 2),  # One a resolution, from the image's down.
            blocks_per_level=2,
            attention_at=(16,),  # Heights of the images to attend over.
            dropout=0.1,
            num_heads=1,
            head_features=0,  # Channels of a head, in place of num_heads; 0: num_heads.
            scale_shift=False,  # The time scales and shifts, rather than being added.
            resample_blocks=False,  # Residual blocks change the resolution.
            num_groups=32,  # Of the group norms.
            epsilon=1e-6,
            fourier_exponents=(),  # n of sin(2^n pi z) beside the image.
            num_conditions=0,  # 1 to be told of data.augmentation_flag.
            dtype="float32",  # Of the activations: float32 or bfloat16.
            remat=False,  # Compute each block again in the backward pass.
        ),
        vdm_unet=dict(
            base_features=128,
            num_layers=32,  # On either side of the middle.
            attention_everywhere=False,  # Rather than in the middle alone.
            dropout=0.1,
            num_heads=1,
            num_groups=32,
            epsilon=1e-6,
            fourier_exponents=(7, 8),
            num_conditions=1,
            dtype="float32",
            remat=False,
        ),
        classifier=dict(
            base_features=64,
            feature_mults=(1, 2),
            blocks_per_level=2,
            attention_at=(),
            dropout=0.1,
            num_heads=1,
            head_features=0,
            scale_shift=True,
            resample_blocks=False,
            num_groups=32,
            epsilon=1e-6,
            dtype="float32",
            remat=False,
        ),
    )

    c.loss = dict(
        weighting="simple",
        time_sampling="stratified",  # uniform, stratified or importance.
        variance_weight=0.001,  # Of the bound, where the reverse variance is learned.
        interior="variance",  # What a learned one lowers at T = infinity; or elbo.
        min_snr=dict(gamma=5.0),
        p2=dict(k=1.0, gamma=1.0),
        sigmoid=dict(bias=2.0),
        edm=dict(sigma_data=0.5, log_sigma_mean=-1.2, log_sigma_std=1.2),
    )

    c.optimizer = dict(
        name="adam",
        learning_rate=2e-4,
        schedule_learning_rate=1e-3,  # Of a learned schedule; warm-up and decay as below.
        warmup_steps=5_000,
        decay="constant",  # constant, cosine or rsqrt.
        decay_steps=800_000,
        final_fraction=0.0,  # What cosine leaves of the rate.
        b1=0.9,
        b2=0.999,
        eps=1e-8,
        weight_decay=0.0,
        clip_norm=1.0,  # 0: none.
    )
    # decay: of the average that evaluation and sampling use by default.
    c.ema = dict(decay=0.9999, warmup=False, extra_decays=())

    c.training = dict(
        num_steps=800_000,
        num_microbatches=1,
        start_from="",  # A workdir whose network a new run starts with; "": a new network.
        start_weights="ema",  # Of that workdir: ema, raw, or ema:<a decay>.
        max_skipped=10,  # Non-finite steps in a row before the run gives up.
        log_every=100,  # Steps, like all that follow; 0: never.
        eval_every=10_000,
        sample_every=10_000,
        checkpoint_every=5_000,
        keep_last=3,  # Checkpoints.
        keep_every=0,  # Steps whose checkpoints are never removed; 0: none.
    )
    c.parallel = dict(mode="jit", fsdp=1)

    c.eval = dict(
        # By commas, of stratified, full, ode; of samples' quality fid, kid,
        # inception_score, precision_recall, density_coverage; of a classifier accuracy.
        # While training the first of all but quality alone is used.
        estimators="stratified",
        num_draws=16,  # Stratified: times an image, 2 or 4 n; full: draws of each time.
        pilot_examples=0,  # Stratified: that tell where draws are worth most; 0: even.
        batch_size=256,  # Global.
        num_examples=0,  # The first so many of the split; 0: all.
        weights="ema",  # ema, raw, or ema:<one of extra_decays>.
        clip=True,  # x_hat to the range of the data: another model, another bound.
        class_conditional=True,  # Bits of p(x | class), where the network is told it.
        step=-1,  # Checkpoint to evaluate; -1: the newest.
        ode=dict(
            dequantization="truncated_normal",  # Or uniform, or decoder.
            num_importance=1,  # Latents an image inside the logarithm.
            num_draws=1,  # Repetitions of all that; from 2 on, their error is known.
            divergence="hutchinson",  # Or exact.
            probe="rademacher",  # Of Hutchinson's estimate: or gaussian.
            num_probes=1,
            antithetic=False,  # Probes in pairs whose neighbouring entries cancel.
            chunk=8,  # Exact: basis vectors at once.
            solver="tsit5",  # Or dopri5, dopri8.
            rtol=1e-5,
            atol=1e-5,
            max_steps=1000,  # Accepted and rejected.
        ),
        # Of samples as config.sample describes them, by eval.weights.
        quality=dict(
            extractor="inception",  # Of features: or classifier.
            inception="",  # The file pt_inception-2015-12-05-6726825d.pth.
            preparation="tensorflow",  # Of images for it: or pytorch_fid.
            classifier="",  # Workdir of a classifier of the same data.
            reference="",  # File of --mode=reference; "": in the workdir.
            num_samples=50_000,
            num_repeats=1,  # Of all that, with other samples: tells the error.
        ),
    )
    c.sample = dict(
        # Ancestral, ddim, dpm_solver, unipc, euler, heun, predictor_corrector or ode.
        sampler="ancestral",
        guidance="none",  # Or classifier_free, classifier, autoguidance.
        num_steps=1000,  # Times visited, at most T: one or more evaluations each.
        spacing="uniform",  # Of the times: uniform, quadratic, log_snr, karras, explicit.
        threshold="static",  # Of x_hat: none, static (to the data's range) or dynamic.
        end="denoise",  # From z_0 to pixels: x_hat, or the decoder's mean, or its draw.
        num_samples=64,
        batch_size=64,  # Global.
        weights="ema",
        step=-1,
        folder="",  # For --mode=sample; "": samples/<step>_<sampler>_<num_steps>.
        format="npz",  # Or png: a file a sample.
        shard_size=1000,  # Samples in a file.
        ancestral=dict(
            variance="model",  # Or posterior, forward, or analytic: estimated from data.
            num_examples=256,  # Of the training split, for that.
        ),
        ddim=dict(eta=0.0),
        dpm_solver=dict(
            method="multistep",  # Or single_step.
            order=2,  # 1 to 3.
            eta=0.0,  # Of the rate of the reverse process's noise: 0 the ODE, 1 the SDE.
            lower_order_final=True,  # In the last steps.
        ),
        unipc=dict(order=2, lower_order_final=True),
        # most = 0: no upper bound.
        euler=dict(churn=dict(amount=0.0, least=0.0, most=0.0, noise=1.0)),
        heun=dict(churn=dict(amount=0.0, least=0.0, most=0.0, noise=1.0)),
        predictor_corrector=dict(snr=0.16, num_corrections=1),
        ode=dict(solver="tsit5", rtol=1e-5, atol=1e-5, max_steps=1000),
        # Of the samples in turn, -1 for none; (): drawn, each class as likely.
        classes=(),
        # scale: 0 the unconditional (weaker, or unguided) model, 1 the conditional (or own),
        # beyond 1 more of it. interval: log SNRs, lowest and highest, outside which it is
        # 1; (): everywhere.
        # rescale: 0..1, how far x_hat gets the spread back that it has at scale 1.
        classifier_free=dict(scale=2.0, interval=(), rescale=0.0),
        classifier=dict(workdir="", step=-1, weights="ema", scale=1.0, interval=()),
        # workdir: of a weaker model; "": this run, at an earlier step.
        autoguidance=dict(
            workdir="", step=-1, weights="ema", scale=2.0, interval=(), rescale=0.0
        ),
        # What is drawn: generate anew; or of image files inpainting, colorization,
        # super_resolution, image_to_image, interpolation.
        task="generate",
        # mask: white is painted, black kept. RePaint's resampling from 2 resamples on.
        inpainting=dict(image="", mask="", num_resamples=1, jump_length=10),
        colorization=dict(image=""),  # Grey: the mean of the channels to come.
        super_resolution=dict(image="", factor=2),  # Smaller by that factor.
        image_to_image=dict(image="", strength=0.6),  # Of the way to noise.
        # Samples are spread evenly from first to last; iterations of DDIM's inversion.
        interpolation=dict(first="", last="", num_iterations=3),
        karras=dict(rho=7.0),
        explicit=dict(
            times=()
        ),  # A chain's indices, or t of continuous time; decreasing.
        dynamic=dict(quantile=0.995),  # Of |x_hat|.
        # How the first samples came about, for --mode=sample; no frames: no film.
        film=dict(num_frames=0, num_images=8, animation="", seconds=4.0),
        # Samplers by commas, beside each other from the same noise, by numbers of steps.
        contrast=dict(samplers="", num_steps=(5, 10, 20, 50), num_images=9),
    )
    return c
