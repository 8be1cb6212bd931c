"""The sound of a clip: contacts by modal synthesis, continuous sounds, and a room.

Contacts are damped partials of the struck body and a short band of noise (van den Doel et al. 2001). They start at
their exact times, between two samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch

from avlink.foundry.clip import SAMPLE_RATE, clip_samples
from avlink.foundry.materials import MATERIALS, Voice
from avlink.foundry.scene import Contact, ContinuousSound, ScenePlan
from avlink.foundry.shapes import Array

QUIETEST_DB = -18.0
ChangeContact: TypeAlias = Callable[[Contact, int, torch.Tensor], tuple[int, torch.Tensor]]


def contact_amplitude(strength: float) -> float:
    """Return the amplitude of a contact: a range of 18 dB from the faintest touch to the hardest blow."""
    return float(10 ** (QUIETEST_DB * (1 - strength) / 20))


def band_noise(
    rng: np.random.Generator, num_samples: int, low_hz: float, high_hz: float, rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Return noise between two frequencies, with soft edges and unit variance."""
    # A power of two is fast to transform; what is too long is cut off.
    length = 1 << max(9, (num_samples - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / rate)
    # Powers of Butterworth filters: of second order below, of third order above.
    band = 1 / (1 + (low_hz / np.maximum(hz, 1)) ** 4) / (1 + (hz / high_hz) ** 6)
    noise = np.fft.irfft(spectrum * np.sqrt(band), length)[:num_samples]
    # Of unit variance after it is cut: the cut part need not be as loud as the whole.
    return np.asarray(noise / max(float(noise.std()), 1e-9))


def time_since_contact(
    hit_s: float, num_samples: int, device: torch.device, rate: int = SAMPLE_RATE
) -> tuple[int, torch.Tensor]:
    """Return the first sample of a contact, and the seconds since the contact at it and the following samples."""
    # Rounded up: a sample before the contact would be at a negative time. The fraction stays in the phases.
    first = math.ceil(hit_s * rate)
    count = max(0, min(num_samples, clip_samples(rate) - first))
    return first, (torch.arange(count, device=device, dtype=torch.float32) + (first - hit_s * rate)) / rate


def fundamental_hz(voice: Voice, size_px: float) -> float:
    """Return the pitch by size: `low_hz` for a radius of 9 pixels to `high_hz` for 3, geometrically."""
    # Geometric, as pitch is heard.
    small = np.clip((9.0 - size_px) / 6.0, 0, 1)
    return float(voice.low_hz * (voice.high_hz / voice.low_hz) ** small)


def contact_sound(
    contact: Contact, rng: np.random.Generator, pitch: float, device: torch.device, rate: int = SAMPLE_RATE
) -> tuple[int, torch.Tensor]:
    """Return the index of a contact's first sample, and its samples, whose peak is `contact_amplitude(strength)`."""
    if contact.material == "air":
        return blast_sound(contact, rng, device, rate)
    voice = MATERIALS[contact.material].voice
    f0 = fundamental_hz(voice, contact.size_px) * pitch
    decay = float(rng.uniform(*voice.decay_s)) * float(np.clip(contact.size_px / 6, 0.7, 1.3))
    # After 5.5 times the decay a partial is 48 dB down.
    longest = 5.5 * decay + 0.03 + 6 * voice.noise_s + (0.25 if voice.bubbles else 0)
    first, t = time_since_contact(contact.time_s, int(longest * rate), device, rate)
    # Slightly detuned: no two bodies have quite the same partials.
    ratios = np.asarray([r * (1 + 0.004 * rng.standard_normal()) if k else 1.0 for k, r in enumerate(voice.ratios)])
    # The point of the strike decides which partials sound (mode shapes of a bar), its strength how bright they are.
    weights = np.abs(np.sin(np.pi * (np.arange(len(ratios)) + 1) * contact.strike_point)) * 0.8 + 0.2
    # Hard blows fall by ratio^-0.4, soft ones by ratio^-1.3: bright and dull.
    weights = weights * ratios ** -(1.3 - 0.9 * contact.strength)
    hz = f0 * ratios
    # Partials near half the sample rate would alias when they glide.
    keep = hz < 0.46 * rate
    # Shared out among those that are left: a cut partial must not make the sound quieter than its tick and noise.
    hz, weights, ratios = hz[keep], weights[keep] / weights[keep].sum(), ratios[keep]
    # Higher partials die sooner.
    decays = decay / ratios**voice.damping
    rows = torch.tensor(np.stack([2 * np.pi * hz, 1 / decays, weights]), dtype=torch.float32, device=device)
    # (partials, samples).
    phase = t[None, :] * rows[0][:, None]
    if voice.glide:
        phase = phase * (1 + voice.glide * torch.exp(-t / 0.025))[None, :]
    ringing = (torch.sin(phase) * torch.exp(-t[None, :] * rows[1][:, None]) * rows[2][:, None]).sum(0)
    # The noise of a soft touch reaches little more than half as high as that of a hard blow.
    bright = 0.55 + 0.45 * contact.strength
    noise = band_noise(rng, max(1, len(t)), voice.noise_hz[0], voice.noise_hz[1] * bright, rate)[: len(t)]
    burst = torch.from_numpy(noise.astype(np.float32)).to(device) * torch.exp(-t / voice.noise_s)
    sound = ringing + 0.33 * voice.noise_level * (0.6 + 0.6 * contact.strength) * burst
    if contact.tool is not None:
        low, high = MATERIALS[contact.tool].voice.noise_hz
        tick = band_noise(rng, max(1, len(t)), low, high, rate)[: len(t)]
        sound = sound + 0.06 * torch.from_numpy(tick.astype(np.float32)).to(device) * torch.exp(-t / 0.004)
    for _ in range(voice.bubbles):
        begin, start_hz = float(rng.uniform(0.006, 0.09)), float(rng.uniform(500, 1500))
        tau = (t - begin).clamp(min=0)
        # A rising pitch, as of a bubble that nears the surface (van den Doel 2005).
        chirp = torch.sin(2 * math.pi * start_hz * tau * (1 + 5.0 * tau)) * torch.exp(-tau / 0.025)
        sound = sound + 0.22 * chirp * (tau * 2000).clamp(max=1)
    # A short linear attack: a jump at the first sample would be a click of every frequency.
    attack = (t / voice.attack_s).clamp(max=1)
    sound = sound * attack
    peak = sound.abs().amax() if len(t) else torch.ones(())
    # By the peak, not the energy: equal blows on long and short materials have equal attacks.
    return first, sound * (contact_amplitude(contact.strength) / peak.clamp(min=1e-6))


def blast_sound(
    contact: Contact, rng: np.random.Generator, device: torch.device, rate: int = SAMPLE_RATE
) -> tuple[int, torch.Tensor]:
    """Return a crack with a low boom, the larger the longer and darker, as `contact_sound` does."""
    large = float(np.clip((contact.size_px - 2) / 7, 0, 1))
    tail = 0.07 + 0.33 * large
    first, t = time_since_contact(contact.time_s, int((5 * tail + 0.1) * rate), device, rate)
    count = max(1, len(t))

    def noise(low_hz: float, high_hz: float) -> torch.Tensor:
        return torch.from_numpy(band_noise(rng, count, low_hz, high_hz, rate)[: len(t)].astype(np.float32)).to(device)

    crack, rumble = noise(500, 7000), noise(30, 500 - 250 * large)
    boom_hz = 75 - 30 * large
    boom = torch.sin(2 * math.pi * boom_hz * t * (1 + 0.5 * torch.exp(-t / 0.05)))
    sound = 0.3 * crack * torch.exp(-t / (0.018 + 0.03 * large)) + (0.3 * rumble + 0.4 * boom) * torch.exp(-t / tail)
    sound = sound * (t / 0.001).clamp(max=1)
    peak = sound.abs().amax() if len(t) else torch.ones(())
    return first, sound * (contact_amplitude(contact.strength) / peak.clamp(min=1e-6))


def per_sample(values: Array, frame_times: Array, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Interpolate per-frame values linearly to every sample."""
    return np.interp(np.arange(clip_samples(rate)) / rate, frame_times, values).astype(np.float32)


def continuous_sound(
    continuous: ContinuousSound, t: Array, rng: np.random.Generator, device: torch.device, rate: int = SAMPLE_RATE
) -> torch.Tensor:
    """Return one continuous sound as long as a clip, about 0.1 RMS where its level is 1."""
    samples = clip_samples(rate)
    level = torch.from_numpy(per_sample(continuous.level, t, rate)).to(device)
    speed = per_sample(continuous.speed, t, rate)

    def noise(low_hz: float, high_hz: float) -> torch.Tensor:
        return torch.from_numpy(band_noise(rng, samples, low_hz, high_hz, rate).astype(np.float32)).to(device)

    if continuous.kind == "rain":
        drops = np.zeros(samples, dtype=np.float32)
        # Up to 320 drops a second, independent of each other (a Poisson process).
        ticks = rng.random(samples) < 320 / rate * per_sample(continuous.level, t, rate)
        drops[ticks] = rng.standard_normal(int(ticks.sum())).astype(np.float32)
        # A drop: 2.8 kHz for a few milliseconds.
        # In steps of the lowest rate, at which both constants are stated.
        step = np.arange(64 * rate // SAMPLE_RATE) * (SAMPLE_RATE / rate)
        kernel = np.sin(step * 1.1) * np.exp(-step / 12)
        patter = torch.from_numpy(np.convolve(drops, kernel, mode="same").astype(np.float32)).to(device)
        return 0.08 * level * noise(1200, 6500) + 0.03 * patter
    if continuous.kind == "wind":
        fast = torch.from_numpy(speed).to(device)
        # Faster wind sounds higher: a low band gives way to the one above it.
        return 0.12 * level * (noise(60, 380) * (1 - 0.6 * fast) + noise(350, 1100) * fast)
    if continuous.kind == "hum":
        base = 55 + 150 * speed
        # The frequency is summed up, so that the phase stays continuous while the speed changes.
        phase = torch.from_numpy((2 * np.pi * np.cumsum(base) / rate).astype(np.float32)).to(device)
        hum = sum((torch.sin(k * phase) / k for k in (1, 2, 3, 5)), torch.zeros_like(phase))
        return 0.04 * level * (hum + 0.25 * noise(300, 1600))
    assert continuous.material is not None
    # A rolling body of 6 pixels: its rumble lies about the pitch that it has when struck.
    pitch = fundamental_hz(MATERIALS[continuous.material].voice, 6.0)
    rumble = 0.7 * noise(50, 300) + 0.5 * noise(0.7 * min(pitch, 2500), 1.5 * min(pitch, 2500))
    wobble = 1 + 0.2 * torch.from_numpy(np.sin(np.cumsum(8 * speed) * 2 * np.pi / rate).astype(np.float32)).to(device)
    return 0.055 * level * rumble * wobble


def add_room(sound: torch.Tensor, rng: np.random.Generator, rate: int = SAMPLE_RATE) -> torch.Tensor:
    """Add a faint short reverberation."""
    length = int(rng.uniform(0.12, 0.35) * rate)
    t = np.arange(length) / rate
    # 6.9 is ln(1000): the tail falls by 60 dB over its length (RT60).
    tail = band_noise(rng, length, 150, 4000, rate) * np.exp(-t * 6.9 / (length / rate))
    # Nothing in the first 4 ms, which a listener would fuse with the attack itself.
    tail[: int(0.004 * rate)] = 0
    # 11 to 20 dB below the direct sound, in energy.
    tail *= 10 ** (rng.uniform(-20, -11) / 20) / np.sqrt((tail**2).sum())
    # 3 * 2^15 at 16 kHz: room for both lengths, without circular overlap, and fast to transform.
    size = math.ceil(98304 * rate / SAMPLE_RATE)
    wet = torch.fft.irfft(
        torch.fft.rfft(sound, n=size)
        * torch.fft.rfft(torch.from_numpy(tail.astype(np.float32)).to(sound.device), n=size),
        n=size,
    )
    return sound + wet[: len(sound)]


def render_sound(
    scene: ScenePlan,
    t: Array,
    rng: np.random.Generator,
    device: torch.device,
    rate: int = SAMPLE_RATE,
    change: ChangeContact | None = None,
) -> torch.Tensor:
    """Return the sound of a clip: float32 (`clip_samples(rate)`,), softly limited to [-1, 1].

    `change` is given each contact with its first sample and its sound, and returns both.
    """
    sound = torch.zeros(clip_samples(rate), device=device)
    pitch = float(rng.uniform(0.88, 1.14))
    for contact in scene.contacts:
        first, samples = contact_sound(contact, rng, pitch, device, rate)
        if change is not None:
            first, samples = change(contact, first, samples)
        sound[first : first + len(samples)] += samples
    # The room is for contacts: continuous sounds are noise already, which it would hardly change.
    if rng.random() < 0.33:
        sound = add_room(sound, rng, rate)
    for continuous in scene.continuous:
        sound = sound + continuous_sound(continuous, t, rng, device, rate)
    # After the contacts have been set by their strength: a random gain, so that level alone tells no strength.
    sound = sound * float(10 ** (rng.uniform(-6, 0) / 20))
    if rng.random() < 0.5:
        hiss = torch.from_numpy(rng.standard_normal(len(sound)).astype(np.float32)).to(device)
        sound = sound + hiss * float(10 ** (rng.uniform(-85, -66) / 20))
    # Linear up to 0.7, then bent towards 1, so that several contacts at once do not clip.
    over = (sound.abs() - 0.7).clamp(min=0)
    return torch.sign(sound) * torch.where(over > 0, 0.7 + 0.3 * torch.tanh(over / 0.3), sound.abs())


def continuous_level(scene: ScenePlan) -> np.ndarray | None:
    """Return the level per frame (0 to 1) of the continuous sounds, None if there are none."""
    if not scene.continuous:
        return None
    total = np.max(np.stack([continuous.level for continuous in scene.continuous]), axis=0)
    return np.asarray(np.clip(total, 0, 1), dtype=np.float32)
