"""Media of an export: files of sound clips, found as `avlink sonify` finds those of pictures, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import MediaError, PluginError
from avlink.edit.sources import timecode_s
from avlink.hooks import MissingMedia, RunHooks
from avlink.media.probe import MediaInfo, probe
from avlink.timeline.flat import FlatClip, FlatMedia, FlatTrack
from avlink.timeline.media_paths import base_name
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, MediaRef
from avlink.timeline.resolve import MediaRoots, media_start, remote_scheme, several_fit


class ExportMedia:
    """Finds the files of clips: where references point, in the roots by name, then by plugins.

    `missing` is the references of which no file was found, each once; `notes` are sentences on plugins that failed and
    on references that several files fit.
    With `skip_missing` clips whose file is missing are left out, and so are takes that are not heard.
    """

    def __init__(
        self, folder: Path, roots: MediaRoots, hooks: RunHooks, project: Path, *, skip_missing: bool = False
    ) -> None:
        self.missing: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self._folder, self._roots, self._hooks, self._project = folder, roots, hooks, project
        self.skip_missing = skip_missing
        self._known: dict[Path, MediaInfo | None] = {}
        self._by_plugin: dict[tuple[str, str], Path | None] = {}

    def track(self, track: FlatTrack) -> FlatTrack:
        """Return a sound track whose clips name whole paths."""
        find = self._stem if track.ours else self._clip
        clips = (find(clip, track.name) for clip in track.clips)
        return replace(track, clips=tuple(clip for clip in clips if clip is not None))

    def of_reference(self, clip: otio.schema.Clip, url: str) -> Path | None:
        """Return the file of a local reference of a clip."""
        track = clip.parent()
        named = "" if track is None else track.name
        path = self._roots.file(url, self._folder) or self._ask(url, clip.name, named)
        if path is None:
            self.missing[url] = None
        return path

    def check(self, timeline: otio.schema.Timeline) -> None:
        """Look for the file of every local reference of a timeline."""
        for clip in timeline.find_clips():
            refs = clip.media_references()
            urls = (ref.target_url for ref in refs.values() if isinstance(ref, otio.schema.ExternalReference))
            for url in urls:
                if url and remote_scheme(url) is None:
                    self.of_reference(clip, url)

    def _stem(self, clip: FlatClip, track: str) -> FlatClip | None:
        files = [self._file(one, clip, track) for one in clip.media]
        self.missing.update({one.url: None for one, file in zip(clip.media, files, strict=True) if file is None})
        return self._with_files(clip, files, clip.active)

    def _clip(self, clip: FlatClip, track: str) -> FlatClip | None:
        if not clip.media:
            # EDLs name clips and no files.
            named = self._roots.find_named(clip.name, (*SOUND_SUFFIXES, *FILM_SUFFIXES))
            path = named or self._ask("", clip.name, track)
            return clip if path is None else self._playing(clip, path)
        files = [self._in_file(clip, self._file(one, clip, track)) for one in clip.media]
        found = [number for number, file in enumerate(files) if file is not None]
        if not found:
            self.missing.update({one.url: None for one in clip.media})
        # Where the active medium has no file, another one plays. Of takes a person chose one, and none replaces it.
        return self._with_files(clip, files, clip.active if clip.active in found or not found else found[0])

    def _with_files(self, clip: FlatClip, files: list[FlatMedia | None], active: int) -> FlatClip | None:
        """Return a clip that plays the file of number `active`; None to leave it out."""
        media = tuple(file or one for file, one in zip(files, clip.media, strict=True))
        if not self.skip_missing or not media:
            return replace(clip, media=media, active=active)
        if files[active] is None:
            return None
        kept = tuple(file for file in files if file is not None)
        return replace(clip, media=kept, active=sum(file is not None for file in files[:active]))

    def _file(self, media: FlatMedia, clip: FlatClip, track: str) -> FlatMedia | None:
        """Return a medium with the whole path of its file, one that is remote as it is; None for one without."""
        if remote_scheme(media.url) is not None:
            return media
        path = self._roots.file(media.url, self._folder) or self._ask(media.url, clip.name, track)
        return None if path is None else replace(media, url=str(path.absolute()))

    def _ask(self, url: str, clip: str, track: str) -> Path | None:
        """Return the file that a plugin finds, asked once per reference, or per name of a clip without one."""
        key = (url, "" if url else clip)
        if key not in self._by_plugin:
            lacking = MissingMedia(
                url=url,
                name=base_name(url) if url else clip,
                folder=self._project.parent,
                clip=clip,
                track=track,
                direction="v2a",
            )
            if url and (alike := self._roots.alike(url)):
                self.notes[f"{url}: {several_fit(alike)}"] = None
            try:
                self._by_plugin[key] = self._hooks.resolve_media(lacking)
            except PluginError as error:
                self.notes[str(error)] = None
                self._by_plugin[key] = None
        return self._by_plugin[key]

    def _in_file(self, clip: FlatClip, media: FlatMedia | None) -> FlatMedia | None:
        """Return a medium whose range the timeline does not state with its offset from the file's first sample."""
        if media is None or media.duration_s is not None or not media.offset_s or remote_scheme(media.url) is not None:
            return media
        moved_s = self._start_s(clip, Path(media.url)) - clip.source_start_s
        return replace(media, offset_s=max(Fraction(0), media.offset_s + moved_s))

    def _playing(self, clip: FlatClip, path: Path) -> FlatClip:
        """Return a clip that names no media with the file that was found by its name."""
        start_s = max(Fraction(0), self._start_s(clip, path))
        lead_s = min(clip.lead_s, start_s)
        media = FlatMedia(name=clip.name, url=str(path.absolute()), offset_s=start_s - lead_s)
        fade_in_s = max(Fraction(0), clip.fade_in_s - (clip.lead_s - lead_s))
        return replace(clip, media=(media,), active=0, lead_s=lead_s, fade_in_s=fade_in_s)

    def _start_s(self, clip: FlatClip, path: Path) -> Fraction:
        """Return where in its file a clip begins, which may be stated as the file's own timecode."""
        if path not in self._known:
            try:
                self._known[path] = probe(path)
            except MediaError:
                self._known[path] = None
        info = self._known[path]
        if info is None:
            return clip.source_start_s
        reference_s = None if info.audio is None else info.audio.time_reference_s
        timecode = reference_s if info.video is None else timecode_s(info.video)
        ref = MediaRef(key="", kind="file")
        return media_start(ref, clip.source_start_s, timecode_s=timecode, file_duration_s=info.duration_s)
