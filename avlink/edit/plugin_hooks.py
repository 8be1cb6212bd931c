"""The hooks of a run in terms of an edit: clips, sources and written files become the values that plugins get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from avlink.core.errors import PluginError
from avlink.core.recipe import SonifyRecipe
from avlink.edit.report import WrittenFile
from avlink.edit.request import EditRequest
from avlink.hooks import (
    ClipSettings,
    Direction,
    MissingMedia,
    RunClip,
    RunHooks,
    RunProject,
    RunStem,
    resolve_run_hooks,
)
from avlink.session import Session
from avlink.timeline.media_paths import base_name
from avlink.timeline.plan import prompt_of
from avlink.timeline.values import ClipRef, Skip, Source, left_out


class EditHooks:
    """The hooks of one request. Raises RecipeError for options in `[plugins]` that are wrong."""

    def __init__(self, request: EditRequest, session: Session) -> None:
        self._recipe, self._project = request.recipe, request.input
        self._direction: Direction = "v2a" if isinstance(request.recipe, SonifyRecipe) else "a2v"
        self._hooks = resolve_run_hooks(request.recipe, session.registry, listener=session.tell)

    def locate(self, clip: ClipRef) -> Path | None:
        """Return the file that a plugin finds for a clip without one. Raises PluginError if a plugin fails."""
        return locate(clip, self._hooks, self._project, self._direction)

    def adjusted(self, source: Source) -> Source:
        """Return the source with the settings that plugins give its clip. Raises PluginError if a plugin fails."""
        clip = source.clip
        before = ClipSettings(prompt=prompt_of(source, self._recipe), seed=clip.seed, gain_db=clip.gain_db)
        after = self._hooks.clip_prompt(self._clip(source), before)
        if after == before:
            return source
        # The words of a marker come before those of the clip, so both are replaced.
        cue = None if clip.cue is None else replace(clip.cue, prompt=after.prompt.text)
        changed = replace(
            clip,
            prompt=after.prompt.text,
            negative=after.prompt.negative,
            seed=after.seed,
            gain_db=after.gain_db,
            cue=cue,
        )
        return replace(source, clip=changed)

    def adjust(self, sources: Sequence[Source]) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
        """Return the adjusted sources, and a failed skip for each clip of which a plugin failed."""
        adjusted: list[Source] = []
        skips: list[Skip] = []
        for source in sources:
            try:
                adjusted.append(self.adjusted(source))
            except PluginError as error:
                skips.append(left_out(source.clip, str(error), source=str(source.path), failed=True))
        return tuple(adjusted), tuple(skips)

    def file_written(self, file: WrittenFile) -> None:
        """Tell plugins of a finished file of a clip."""
        job = file.job
        self._hooks.stem_written(
            RunStem(
                path=file.path,
                clip=self._clip(job.source),
                take=job.take,
                prompt=job.prompt,
                seed=job.seed,
                cached=file.cached,
                item="" if job.item is None else job.clip.name,
            )
        )

    def project_written(self, outputs: Sequence[Path], files: Iterable[WrittenFile], *, failed: int) -> None:
        """Tell plugins of a finished run: its outputs, the files of its clips, and the number of clips that failed."""
        self._hooks.project_written(
            RunProject(
                input=self._project,
                outputs=tuple(outputs),
                stems=tuple(file.path for file in files),
                failed=failed,
                direction=self._direction,
            )
        )

    def _clip(self, source: Source) -> RunClip:
        clip = source.clip
        return RunClip(
            id=clip.id,
            name=clip.name,
            track=clip.track,
            timeline_start_s=clip.timeline_start_s,
            timeline_duration_s=clip.timeline_duration_s,
            media=source.path,
            media_start_s=source.start_s,
            media_duration_s=source.duration_s,
            speed=source.speed,
            has_own_prompt=clip.asked_prompt is not None,
            project=self._project,
            direction=self._direction,
        )


def locate(clip: ClipRef, hooks: RunHooks, project: Path, direction: Direction) -> Path | None:
    """Return the file that a plugin finds for a clip of a project. Raises PluginError if a plugin fails."""
    url = next((ref.url for ref in clip.media if ref.url), "")
    return hooks.resolve_media(
        MissingMedia(
            url=url,
            name=base_name(url) if url else clip.name,
            folder=project.parent,
            clip=clip.name,
            track=clip.track,
            direction=direction,
        )
    )
