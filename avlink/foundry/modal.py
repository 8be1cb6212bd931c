"""The sound of contacts: damped partials of the struck body and a short shaped noise, exact below a sample."""

from __future__ import annotations

import math

import numpy as np
import torch

from avlink.foundry.clip import CLIP_SAMPLES, SAMPLE_RATE
from avlink.foundry.materials import MATERIALS, Voice
from avlink.foundry.scene import Hit

QUIETEST_DB = -18.0


def loudness(strength: float) -> float:
    """Amplitude of a contact: 18 dB from the faintest touch to the hardest blow."""
    return float(10 ** (QUIETEST_DB * (1 - strength) / 20))


def shaped_noise(rng: np.random.Generator, num_samples: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Noise between two frequencies (soft edges), of unit variance."""
    length = 1 << max(9, (num_samples - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    band = 1 / (1 + (low_hz / np.maximum(hz, 1)) ** 4) / (1 + (hz / high_hz) ** 6)
    noise = np.fft.irfft(spectrum * np.sqrt(band), length)[:num_samples]
    return np.asarray(noise / max(float(noise.std()), 1e-9))


def clock(hit_s: float, num_samples: int, device: torch.device) -> tuple[int, torch.Tensor]:
    """First sample of a contact and the seconds since the contact at that and the following samples."""
    first = math.ceil(hit_s * SAMPLE_RATE)
    count = max(0, min(num_samples, CLIP_SAMPLES - first))
    return first, (
        torch.arange(count, device=device, dtype=torch.float32) + (first - hit_s * SAMPLE_RATE)
    ) / SAMPLE_RATE


def fundamental(voice: Voice, size_px: float) -> float:
    """Pitch by size: from the low end for 9 pixels of radius to the high end for 3."""
    small = np.clip((9.0 - size_px) / 6.0, 0, 1)
    return float(voice.low_hz * (voice.high_hz / voice.low_hz) ** small)


def strike_sound(hit: Hit, rng: np.random.Generator, pitch: float, device: torch.device) -> tuple[int, torch.Tensor]:
    """Samples of one contact and the index of the first; peak about `loudness(strength)`."""
    if hit.material == "air":
        return blast_sound(hit, rng, device)
    voice = MATERIALS[hit.material].voice
    f0 = fundamental(voice, hit.size_px) * pitch
    decay = float(rng.uniform(*voice.decay_s)) * float(np.clip(hit.size_px / 6, 0.7, 1.3))
    longest = 5.5 * decay + 0.03 + 6 * voice.noise_s + (0.25 if voice.bubbles else 0)
    first, t = clock(hit.time_s, int(longest * SAMPLE_RATE), device)
    ratios = np.asarray([r * (1 + 0.004 * rng.standard_normal()) if k else 1.0 for k, r in enumerate(voice.ratios)])
    # Where it is hit decides which partials sound (mode shapes of a bar), how hard decides how bright it is.
    weights = np.abs(np.sin(np.pi * (np.arange(len(ratios)) + 1) * hit.place)) * 0.8 + 0.2
    weights = weights * ratios ** -(1.3 - 0.9 * hit.strength)
    hz = f0 * ratios
    keep = hz < 0.46 * SAMPLE_RATE
    hz, weights, ratios = hz[keep], weights[keep] / weights[keep].sum(), ratios[keep]
    decays = decay / ratios**voice.damping
    rows = torch.tensor(np.stack([2 * np.pi * hz, 1 / decays, weights]), dtype=torch.float32, device=device)
    phase = t[None, :] * rows[0][:, None]
    if voice.glide:
        phase = phase * (1 + voice.glide * torch.exp(-t / 0.025))[None, :]
    ringing = (torch.sin(phase) * torch.exp(-t[None, :] * rows[1][:, None]) * rows[2][:, None]).sum(0)
    bright = 0.55 + 0.45 * hit.strength
    noise = shaped_noise(rng, max(1, len(t)), voice.noise_hz[0], voice.noise_hz[1] * bright)[: len(t)]
    burst = torch.from_numpy(noise.astype(np.float32)).to(device) * torch.exp(-t / voice.noise_s)
    sound = ringing + 0.33 * voice.noise_level * (0.6 + 0.6 * hit.strength) * burst
    if hit.tool is not None:
        low, high = MATERIALS[hit.tool].voice.noise_hz
        tick = shaped_noise(rng, max(1, len(t)), low, high)[: len(t)]
        sound = sound + 0.06 * torch.from_numpy(tick.astype(np.float32)).to(device) * torch.exp(-t / 0.004)
    for _ in range(voice.bubbles):
        begin, start_hz = float(rng.uniform(0.006, 0.09)), float(rng.uniform(500, 1500))
        tau = (t - begin).clamp(min=0)
        chirp = torch.sin(2 * math.pi * start_hz * tau * (1 + 5.0 * tau)) * torch.exp(-tau / 0.025)
        sound = sound + 0.22 * chirp * (tau * 2000).clamp(max=1)
    attack = (t / voice.attack_s).clamp(max=1)
    sound = sound * attack
    peak = sound.abs().amax() if len(t) else torch.ones(())
    return first, sound * (loudness(hit.strength) / peak.clamp(min=1e-6))


def blast_sound(hit: Hit, rng: np.random.Generator, device: torch.device) -> tuple[int, torch.Tensor]:
    """A crack with a low boom; the larger, the longer and darker."""
    large = float(np.clip((hit.size_px - 2) / 7, 0, 1))
    tail = 0.07 + 0.33 * large
    first, t = clock(hit.time_s, int((5 * tail + 0.1) * SAMPLE_RATE), device)
    count = max(1, len(t))
    crack = torch.from_numpy(shaped_noise(rng, count, 500, 7000)[: len(t)].astype(np.float32)).to(device)
    rumble = torch.from_numpy(shaped_noise(rng, count, 30, 500 - 250 * large)[: len(t)].astype(np.float32)).to(device)
    boom_hz = 75 - 30 * large
    boom = torch.sin(2 * math.pi * boom_hz * t * (1 + 0.5 * torch.exp(-t / 0.05)))
    sound = 0.3 * crack * torch.exp(-t / (0.018 + 0.03 * large)) + (0.3 * rumble + 0.4 * boom) * torch.exp(-t / tail)
    sound = sound * (t / 0.001).clamp(max=1)
    peak = sound.abs().amax() if len(t) else torch.ones(())
    return first, sound * (loudness(hit.strength) / peak.clamp(min=1e-6))
