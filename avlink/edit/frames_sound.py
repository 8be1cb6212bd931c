"""Sound for pictures in memory, for programs that have just generated them. No file is needed."""

from __future__ import annotations

from avlink.core.clock import to_index
from avlink.core.errors import PluginError
from avlink.core.recipe import SonifyRecipe
from avlink.core.sound import FittedSound
from avlink.core.values import FrameSource, OnStep, Prompt, SoundRequest, SoundSource
from avlink.edit.render import as_avlink_error
from avlink.edit.sonify import check_sound
from avlink.hooks import apply_chain, resolve_backend, resolve_chain
from avlink.media.frames import fit_frames
from avlink.media.resample import resample_spooled
from avlink.session import Session


def sound_for_frames(
    frames: FrameSource,
    *,
    prompt: Prompt,
    seed: int,
    recipe: SonifyRecipe,
    session: Session,
    on_step: OnStep | None = None,
) -> SoundSource:
    """Return the generated sound of `frames`, exactly as long, at the recipe's rate and after its post chain.

    `seed` goes to the model unchanged: equal frames, words and seed give equal sound. An exception that `on_step`
    raises interrupts the generation.

    Raises RecipeError, BundleError and PluginError for a backend or chain that cannot be used, MediaError for frames
    that cannot be.
    """
    backend, chain = resolve_backend(recipe, session.registry), resolve_chain(recipe, session.registry)
    generator = session.generator(backend)
    duration_s = frames.num_frames / frames.rate
    request = SoundRequest(
        frames=fit_frames(frames, spec=generator.picture), duration_s=duration_s, prompt=prompt, seed=seed
    )
    stopped: list[BaseException] = []

    def step(done: int, total: int) -> None:
        try:
            if on_step is not None:
                on_step(done, total)
        except BaseException as error:
            stopped.append(error)
            raise

    try:
        answers = generator.generate([request], on_step=step)
        if len(answers) != 1:
            raise PluginError(f"it answered {len(answers)} of 1 requests")
        check_sound(answers[0], request, generator)
    except Exception as error:
        if error in stopped:
            raise
        raise as_avlink_error(backend.name, error) from error
    fitted = FittedSound(
        resample_spooled(answers[0], recipe.stems.sample_rate), to_index(duration_s, recipe.stems.sample_rate)
    )
    return apply_chain(fitted, chain)
