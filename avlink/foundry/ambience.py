"""Sounds that last, the room, and the whole sound of a clip."""

from __future__ import annotations

import numpy as np
import torch

from avlink.foundry.clip import CLIP_SAMPLES, SAMPLE_RATE
from avlink.foundry.materials import MATERIALS
from avlink.foundry.modal import fundamental, shaped_noise, strike_sound
from avlink.foundry.scene import Array, Drone, Scene


def at_samples(values: Array, frame_times: Array) -> np.ndarray:
    """Per-frame values at every sample, linear in between."""
    return np.interp(np.arange(CLIP_SAMPLES) / SAMPLE_RATE, frame_times, values).astype(np.float32)


def drone_sound(drone: Drone, t: Array, rng: np.random.Generator, device: torch.device) -> torch.Tensor:
    """One lasting sound, (82560,), about 0.1 RMS where its level is 1."""
    level = torch.from_numpy(at_samples(drone.level, t)).to(device)
    speed = at_samples(drone.speed, t)

    def noise(low_hz: float, high_hz: float) -> torch.Tensor:
        return torch.from_numpy(shaped_noise(rng, CLIP_SAMPLES, low_hz, high_hz).astype(np.float32)).to(device)

    if drone.sort == "rain":
        drops = np.zeros(CLIP_SAMPLES, dtype=np.float32)
        ticks = rng.random(CLIP_SAMPLES) < 0.02 * at_samples(drone.level, t)
        drops[ticks] = rng.standard_normal(int(ticks.sum())).astype(np.float32)
        kernel = np.sin(np.arange(64) * 1.1) * np.exp(-np.arange(64) / 12)
        patter = torch.from_numpy(np.convolve(drops, kernel, mode="same").astype(np.float32)).to(device)
        return 0.08 * level * noise(1200, 6500) + 0.03 * patter
    if drone.sort == "wind":
        fast = torch.from_numpy(speed).to(device)
        return 0.12 * level * (noise(60, 380) * (1 - 0.6 * fast) + noise(350, 1100) * fast)
    if drone.sort == "hum":
        base = 55 + 150 * speed
        phase = torch.from_numpy((2 * np.pi * np.cumsum(base) / SAMPLE_RATE).astype(np.float32)).to(device)
        hum = sum((torch.sin(k * phase) / k for k in (1, 2, 3, 5)), torch.zeros_like(phase))
        return 0.04 * level * (hum + 0.25 * noise(300, 1600))
    assert drone.material is not None
    pitch = fundamental(MATERIALS[drone.material].voice, 6.0)
    rumble = 0.7 * noise(50, 300) + 0.5 * noise(0.7 * min(pitch, 2500), 1.5 * min(pitch, 2500))
    wobble = 1 + 0.2 * torch.from_numpy(np.sin(np.cumsum(8 * speed) * 2 * np.pi / SAMPLE_RATE).astype(np.float32)).to(
        device
    )
    return 0.055 * level * rumble * wobble


def room(sound: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The sound with a faint short room around it."""
    length = int(rng.uniform(0.12, 0.35) * SAMPLE_RATE)
    t = np.arange(length) / SAMPLE_RATE
    tail = shaped_noise(rng, length, 150, 4000) * np.exp(-t * 6.9 / (length / SAMPLE_RATE))
    tail[: int(0.004 * SAMPLE_RATE)] = 0
    tail *= 10 ** (rng.uniform(-20, -11) / 20) / np.sqrt((tail**2).sum())
    size = 98304
    wet = torch.fft.irfft(
        torch.fft.rfft(sound, n=size)
        * torch.fft.rfft(torch.from_numpy(tail.astype(np.float32)).to(sound.device), n=size),
        n=size,
    )
    return sound + wet[:CLIP_SAMPLES]


def sound_of(scene: Scene, t: Array, rng: np.random.Generator, device: torch.device) -> torch.Tensor:
    """The sound of a clip: float32 (82560,), softly limited to +-1."""
    sound = torch.zeros(CLIP_SAMPLES, device=device)
    pitch = float(rng.uniform(0.88, 1.14))
    for hit in scene.hits:
        first, samples = strike_sound(hit, rng, pitch, device)
        sound[first : first + len(samples)] += samples
    if rng.random() < 0.33:
        sound = room(sound, rng)
    for drone in scene.drones:
        sound = sound + drone_sound(drone, t, rng, device)
    sound = sound * float(10 ** (rng.uniform(-6, 0) / 20))
    if rng.random() < 0.5:
        hiss = torch.from_numpy(rng.standard_normal(CLIP_SAMPLES).astype(np.float32)).to(device)
        sound = sound + hiss * float(10 ** (rng.uniform(-85, -66) / 20))
    # Transparent up to 0.7, then bent towards 1: several hits at once never clip.
    over = (sound.abs() - 0.7).clamp(min=0)
    return torch.sign(sound) * torch.where(over > 0, 0.7 + 0.3 * torch.tanh(over / 0.3), sound.abs())


def level_of(scene: Scene) -> np.ndarray | None:
    """Level per frame (0 to 1) of what lasts in the clip, None where nothing does."""
    if not scene.drones:
        return None
    total = np.max(np.stack([drone.level for drone in scene.drones]), axis=0)
    return np.asarray(np.clip(total, 0, 1), dtype=np.float32)
