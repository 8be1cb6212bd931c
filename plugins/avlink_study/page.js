// The page of `avlink study`. The server knows what is kept; this asks it, plays clips, and hands answers over.
"use strict";

const SIDES = ["left", "right"];
const WORDS = { left: "Left", right: "Right", none: "No preference" };
const OTHER = { left: "right", right: "left" };
const FAR_S = 0.5;
const NEAR_S = 0.02;

const find = (id) => document.getElementById(id);
const here = location.pathname.replace(/\/+$/, "");
const video = Object.fromEntries(SIDES.map((side) => [side, document.querySelector(`#${side} video`)]));

let state = null; // what the server said last
let shown = null; // the place whose clips are loaded
let heard = { left: false, right: false };
let run = { mode: null, sound: "left", clean: { left: false, right: false } };
const ownSeek = { left: false, right: false };
let chosen = null; // a question that was gone back to
let busy = false;

function notice(words) {
  find("notice").textContent = words || "";
  find("notice").hidden = !words;
}

// Ask the server, again and again while it cannot be reached: nothing that was answered gets lost.
async function ask(path, body) {
  for (let wait_ms = 500; ; wait_ms = Math.min(8000, wait_ms * 2)) {
    let answer;
    try {
      answer = await fetch(here + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body || {}),
        credentials: "omit",
        cache: "no-store",
      });
    } catch (error) {
      notice("The connection is gone; trying again. Please leave this page open.");
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) {
      notice("");
      return said;
    }
    const error = (said && said.error) || { code: "", message: `the server answered ${answer.status}` };
    throw Object.assign(new Error(error.message), { code: error.code });
  }
}

async function act(path, body) {
  if (busy) return;
  busy = true;
  try {
    show(await ask(path, body));
  } catch (error) {
    if (error.code === "gone") {
      show(await ask("/pair").catch(() => state));
    }
    notice(error.message);
  } finally {
    busy = false;
  }
}

function show(next) {
  state = next;
  const { done, left } = state.progress;
  const pair = state.pair;
  find("pair").hidden = pair === null;
  find("end").hidden = pair !== null;
  find("bar").hidden = false;
  find("bar").max = done + left || 1;
  find("bar").value = done;
  find("progress").textContent = pair === null ? `${done} done` : `Pair ${done + 1} of ${done + left}`;
  if (pair === null) {
    stop();
    shown = null;
    return;
  }
  if (pair.place !== shown) load(pair);
  for (const side of SIDES) {
    heard[side] = heard[side] || pair.played[side];
    document.querySelector(`#${side} .heard`).textContent = heard[side] ? "✓ played" : "";
  }
  drawQuestions(pair);
}

function load(pair) {
  stop();
  shown = pair.place;
  chosen = null;
  heard = { left: false, right: false };
  find("skip").hidden = !pair.trouble;
  for (const side of SIDES) {
    video[side].src = `${here}/clip/${pair.place}/${side}`;
    video[side].load();
  }
  window.scrollTo(0, 0);
}

const isHeard = () => heard.left && heard.right;
const openQuestion = () => {
  if (chosen !== null) return chosen;
  const index = state.questions.findIndex((question) => !(question.name in state.pair.answers));
  return index < 0 ? state.questions.length : index;
};

function drawQuestions(pair) {
  const box = find("questions");
  if (box.childElementCount !== state.questions.length) {
    box.replaceChildren(...state.questions.map(fieldset));
    const ties = state.choices.includes("none");
    find("none-key").hidden = find("none-words").hidden = !ties;
  }
  const now = openQuestion();
  state.questions.forEach((question, index) => {
    const set = box.children[index];
    set.classList.toggle("now", index === now && isHeard());
    set.classList.toggle("answered", question.name in pair.answers);
    for (const button of set.querySelectorAll("button")) {
      button.disabled = !isHeard();
      button.setAttribute("aria-pressed", String(pair.answers[question.name] === button.dataset.choice));
    }
  });
  const whole = state.questions.every((question) => question.name in pair.answers);
  find("next").disabled = !whole;
  find("next").textContent = isHeard() ? "Next pair" : "Play both clips to their ends first";
}

function fieldset(question) {
  const set = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = question.title;
  const text = document.createElement("p");
  text.textContent = question.text;
  const row = document.createElement("div");
  row.className = "choices";
  for (const choice of state.choices) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.choice = choice;
    button.textContent = WORDS[choice];
    button.addEventListener("click", () => answer(question, choice));
    row.append(button);
  }
  set.append(legend, text, row);
  return set;
}

function answer(question, choice) {
  if (!isHeard() || !state.pair) return;
  chosen = null;
  act("/answer", { place: state.pair.place, question: question.name, choice });
}

function following() {
  if (state && state.pair && !find("next").disabled) act("/done", { place: state.pair.place });
}

// Playing. Only a run from the start to the end with the sound on counts as played.
function stop() {
  for (const side of SIDES) video[side].pause();
  run.mode = null;
  mark();
}

function mark() {
  for (const side of SIDES) {
    find(side).classList.toggle("sounding", run.mode !== null && run.sound === side);
    video[side].muted = run.sound !== side;
    if (!video[side].muted) video[side].playbackRate = 1;
  }
  find("clips").className = run.mode === "left" || run.mode === "right" ? run.mode : "";
  find("swap").textContent = `Sound: ${run.sound}`;
}

function play(mode) {
  stop();
  run = { mode, sound: mode === "both" ? run.sound : mode, clean: { left: mode !== "right", right: mode !== "left" } };
  mark();
  for (const side of SIDES) {
    // Without a movie yet there is no event for it.
    ownSeek[side] = video[side].readyState > 0;
    video[side].currentTime = 0;
    if (mode === "both" || mode === side) video[side].play().catch(() => {});
  }
  if (mode === "both") follow();
}

// While both play, the silent one keeps up with the other by its speed: a jump takes longer than what it would mend.
function follow() {
  if (run.mode !== "both") return;
  const lead = video[run.sound];
  const trail = video[OTHER[run.sound]];
  if (!lead.paused && !lead.ended && !trail.ended && !trail.seeking) {
    const ahead_s = trail.currentTime - lead.currentTime;
    if (Math.abs(ahead_s) > FAR_S) trail.currentTime = lead.currentTime;
    const speed = Math.abs(ahead_s) < NEAR_S ? 1 : Math.min(1.3, Math.max(0.7, 1 - 2 * ahead_s));
    if (trail.playbackRate !== speed) trail.playbackRate = speed;
  }
  requestAnimationFrame(follow);
}

function swap() {
  run.sound = OTHER[run.sound];
  // Neither was heard from its start to its end.
  run.clean = { left: false, right: false };
  mark();
}

function pauseOrGoOn() {
  const playing = SIDES.filter((side) => !video[side].paused && !video[side].ended);
  if (playing.length) {
    playing.forEach((side) => video[side].pause());
  } else if (run.mode !== null) {
    for (const side of SIDES) {
      const takesPart = run.mode === "both" || run.mode === side;
      if (takesPart && !video[side].ended) video[side].play().catch(() => {});
    }
  }
}

function ended(side) {
  // It was started again before this was told.
  if (!video[side].ended) return;
  if (run.sound === side && run.clean[side] && state.pair) noteHeard(side);
  const other = video[OTHER[side]];
  const still = run.mode === "both" && !other.ended && !other.paused;
  // Of two that end together the first event finds the other ended, too: the run is over, and its event still to come.
  if (!still) {
    run.mode = null;
    mark();
  }
}

async function noteHeard(side) {
  if (heard[side]) return;
  while (busy) await new Promise((resolve) => setTimeout(resolve, 20));
  await act("/played", { place: state.pair.place, side });
}

for (const side of SIDES) {
  video[side].addEventListener("ended", () => ended(side));
  // Media keys and extensions can move the playhead; our own going back to the start is fine.
  video[side].addEventListener("seeking", () => {
    if (!ownSeek[side]) run.clean[side] = false;
    ownSeek[side] = false;
  });
  video[side].addEventListener("ratechange", () => {
    if (!video[side].muted && video[side].playbackRate !== 1) video[side].playbackRate = 1;
  });
  video[side].addEventListener("error", () => {
    if (!state || !state.pair || !video[side].getAttribute("src")) return;
    const why = video[side].error ? video[side].error.message || `code ${video[side].error.code}` : "";
    const place = state.pair.place;
    act("/trouble", { place, words: `${side}: ${why}`.slice(0, 200) }).then(() => {
      find("skip").hidden = false;
      notice("This clip cannot be played here. Leave the pair out, or try another browser.");
    });
  });
  video[side].addEventListener("click", () => play(side));
}

for (const button of document.querySelectorAll("[data-play]")) {
  button.addEventListener("click", () => play(button.dataset.play));
}
find("swap").addEventListener("click", swap);
find("next").addEventListener("click", following);
find("skip").addEventListener("click", () => state.pair && act("/done", { place: state.pair.place }));
// After a click with a finger or a mouse the keys are the page's again.
document.addEventListener("click", (event) => {
  if (event.detail > 0 && event.target instanceof HTMLButtonElement) event.target.blur();
});

const KEYS = {
  1: () => play("left"),
  2: () => play("right"),
  3: () => play("both"),
  s: swap,
  " ": pauseOrGoOn,
  Enter: following,
  ArrowLeft: () => byKey("left"),
  ArrowRight: () => byKey("right"),
  ArrowDown: () => byKey("none"),
  ArrowUp: back,
};

function byKey(choice) {
  const question = state.questions[openQuestion()];
  if (question && state.choices.includes(choice)) answer(question, choice);
}

function back() {
  chosen = Math.max(0, openQuestion() - 1);
  drawQuestions(state.pair);
}

document.addEventListener("keydown", (event) => {
  if (!state || !state.pair || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const pressing = event.target instanceof HTMLButtonElement || event.target.tagName === "SUMMARY";
  if (pressing && (event.key === " " || event.key === "Enter")) return;
  const does = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  if (event.key === "ArrowDown" && !state.choices.includes("none")) return;
  event.preventDefault();
  does();
});

// A link of an invitation makes a rater once its button is pressed; a rater's own link goes on at once.
function welcome() {
  const kept = `avlink study ${here}`;
  const known = localStorage.getItem(kept);
  find("welcome").hidden = false;
  if (known) {
    find("again").href = `../r/${known}`;
    find("again").hidden = false;
  }
  find("begin").addEventListener("click", async () => {
    find("begin").disabled = true;
    try {
      const { key } = await ask("");
      localStorage.setItem(kept, key);
      location.assign(`../r/${key}`);
    } catch (error) {
      notice(error.message);
      find("begin").disabled = false;
    }
  });
}

if (/\/join\/[^/]+$/.test(here)) welcome();
else act("/pair");
