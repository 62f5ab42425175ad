// What pages do by themselves: the live view asks when the next picture is due, the system page keeps its numbers fresh.
"use strict";

const LONGEST_PAUSE_S = 60;
const dash = "\u2013";

function number(value, digits, unit) {
  if (value === null || value === undefined) return dash;
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const spaced = text.replaceAll(",", "\u202f").replace("-", "\u2212");
  return unit ? `${spaced} ${unit}` : spaced;
}

function exposureTime(seconds) {
  if (seconds > 0 && seconds < 0.25) return `1/${number(Math.round(1 / seconds), 0)} s`;
  return seconds < 10 && seconds !== Math.round(seconds) ? `${seconds.toFixed(1)} s` : `${seconds.toFixed(0)} s`;
}

function size(count) {
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (count < 1000) return `${unit === "bytes" || count >= 100 ? count.toFixed(0) : count.toFixed(1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}

function moment(iso, zone) {
  const words = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone });
  return words.format(new Date(iso));
}

function write(key, text, root = document) {
  const place = root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (place && place.textContent !== text) place.textContent = text;
}

class LiveView {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector("[data-stage]");
    this.zone = root.dataset.zone;
    this.shown = Number(root.dataset.frame || 0);
    this.etag = "";
    this.dueAt = null;
    this.pauseS = 2;
    this.timer = 0;
    setInterval(() => this.count(), 1000);
    document.addEventListener("visibilitychange", () => document.hidden || this.ask());
    this.expect(root.dataset.nextIn === "" ? null : Number(root.dataset.nextIn));
  }

  // Plan the next question: shortly after the picture is due, never sooner than a second, seldom when nothing is known.
  expect(inS) {
    this.dueAt = inS === null ? null : performance.now() + inS * 1000;
    this.pauseS = 2;
    this.plan(inS === null ? 10 : inS + 0.4 + Math.random() * 0.4);
    this.count();
  }

  plan(inS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), Math.min(Math.max(inS, 1), LONGEST_PAUSE_S) * 1000);
  }

  async ask() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    try {
      const headers = this.etag ? { "If-None-Match": this.etag } : {};
      const answer = await fetch("/api/v1/latest", { headers, cache: "no-store", credentials: "same-origin" });
      if (answer.status === 401 || answer.status === 403) return this.leave();
      if (answer.status === 200) {
        this.etag = answer.headers.get("ETag") || "";
        await this.take(await answer.json());
        this.offline(false);
        return;
      }
      this.offline(answer.status !== 304);
    } catch (error) {
      this.offline(true);
    }
    this.plan(this.pauseS);
    this.pauseS = Math.min(this.pauseS * 1.5, 15);
  }

  async take(view) {
    write("state", view.camera.state);
    write("message", view.camera.message);
    this.root.dataset.state = view.camera.state;
    if (view.frame && view.frame.id !== this.shown) await this.show(view.frame);
    this.expect(view.next_expected_in_s);
  }

  async show(frame) {
    const picture = new Image(frame.width, frame.height);
    picture.alt = `The sky at ${moment(frame.started_at, this.zone)}`;
    picture.className = "sky is-new";
    picture.src = frame.picture_url;
    try {
      await picture.decode();
    } catch (error) {
      return;
    }
    this.shown = frame.id;
    this.stage.querySelector("[data-empty]")?.remove();
    this.stage.append(picture);
    picture.getBoundingClientRect();
    picture.classList.remove("is-new");
    setTimeout(() => {
      while (this.stage.children.length > 1) this.stage.firstElementChild.remove();
    }, 1200);
    this.describe(frame);
  }

  describe(frame) {
    this.root.dataset.frame = String(frame.id);
    write("time", moment(frame.started_at, this.zone));
    write("exposure", exposureTime(frame.exposure_s));
    write("gain", number(frame.gain, frame.gain % 1 ? 1 : 0));
    write("mean", number(frame.mean_adu, 0, "ADU"));
    write("stars", number(frame.stars, 0));
    write("sky", number(frame.sky_mag_arcsec2, 2, "mag/arcsec\u00b2"));
    write("temperature", number(frame.sensor_temperature_c, 1, "\u00b0C"));
    write("saturated", number(100 * frame.saturated_fraction, 2, "%"));
    for (const link of this.root.querySelectorAll("[data-frame-link]")) link.href = `/frames/${frame.id}`;
  }

  count() {
    if (this.dueAt === null) return write("next", "");
    const leftS = Math.ceil((this.dueAt - performance.now()) / 1000);
    write("next", leftS > 0 ? `Next picture in ${leftS} s` : "Next picture is due");
  }

  offline(isOffline) {
    this.root.classList.toggle("is-offline", isOffline);
  }

  leave() {
    location.assign("/login");
  }
}

class SystemView {
  constructor(root) {
    this.root = root;
    setInterval(() => this.ask(), 5000);
  }

  async ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/v1/system", { cache: "no-store", credentials: "same-origin" });
      if (answer.ok) this.take(await answer.json());
    } catch (error) {
      // The next round asks again.
    }
  }

  take(view) {
    write("status", view.status, this.root);
    write("memory", size(view.memory_bytes), this.root);
    write("free", size(view.disk_free_bytes), this.root);
    write("frames", number(view.frames, 0), this.root);
    write("camera-state", view.camera.state, this.root);
    write("camera-counts", `${view.camera.started} / ${view.camera.received} / ${view.camera.dropped}`, this.root);
    for (const worker of view.workers) {
      write(`worker-${worker.name}-state`, worker.state, this.root);
      write(`worker-${worker.name}-restarts`, String(worker.restarts), this.root);
      write(`worker-${worker.name}-beat`, `${worker.beat_age_s.toFixed(1)} s`, this.root);
    }
    for (const queue of view.queues) {
      write(`queue-${queue.name}-depth`, `${queue.depth} of ${queue.capacity}`, this.root);
      write(`queue-${queue.name}-dropped`, String(queue.dropped), this.root);
    }
  }
}

// The machine's time beside this browser's; the difference is taken at the middle of a question and its answer.
class MachineTime {
  constructor(root) {
    this.root = root;
    this.zone = root.dataset.zone;
    this.aheadMs = null;
    for (const place of root.querySelectorAll("[data-with-script]")) place.hidden = false;
    this.ask();
    setInterval(() => this.show(), 500);
    setInterval(() => document.hidden || this.ask(), 15000);
  }

  async ask() {
    try {
      const before = Date.now();
      const answer = await fetch("/api/v1/machine", { cache: "no-store", credentials: "same-origin" });
      const after = Date.now();
      if (answer.ok) this.aheadMs = (before + after) / 2 - new Date((await answer.json()).now).getTime();
    } catch (error) {
      // The next round asks again.
    }
    this.show();
  }

  show() {
    if (this.aheadMs === null) return;
    const now = Date.now();
    write("browser-time", moment(now, this.zone), this.root);
    write("machine-time", moment(now - this.aheadMs, this.zone), this.root);
    write("time-difference", difference(this.aheadMs / 1000), this.root);
  }
}

function difference(aheadS) {
  const offS = Math.abs(aheadS);
  return offS < 1 ? "less than a second" : `the browser is ${stretch(offS)} ${aheadS > 0 ? "ahead" : "behind"}`;
}

// A length of time with two steps at most.
function stretch(seconds) {
  if (seconds < 1) return "1 s";
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = steps.findIndex(([length]) => seconds >= length);
  let rest = Math.round(seconds);
  const parts = [];
  for (const [length, unit] of steps.slice(first, first + 2)) {
    if (rest >= length) parts.push(`${number(Math.floor(rest / length), 0)} ${unit}`);
    rest %= length;
  }
  return parts.join(" ");
}

// A machine that goes: told while it answers, counted while it does not, left for the panel when it is back.
class GoingView {
  constructor(root) {
    this.root = root;
    this.isOff = root.dataset.going === "off";
    this.goneAt = root.dataset.phase === "going" ? performance.now() : null;
    this.awayAt = null;
    setInterval(() => this.count(), 1000);
    this.ask();
  }

  async ask() {
    const stop = AbortSignal.timeout(5000);
    try {
      const answer = await fetch("/api/v1/machine", { cache: "no-store", credentials: "same-origin", signal: stop });
      if (answer.status === 401) return location.assign("/login?next=/machine");
      if (answer.ok) this.take((await answer.json()).power);
    } catch (error) {
      this.goneAt ??= performance.now();
      this.awayAt ??= performance.now();
    }
    this.count();
    setTimeout(() => this.ask(), 1500);
  }

  take(power) {
    if (power.phase === "running") return location.replace(this.awayAt === null ? "/machine" : "/machine?done=back");
    if (power.phase === "storing") return write("going-message", power.message, this.root);
    this.goneAt ??= performance.now();
  }

  count() {
    if (this.goneAt === null) return;
    this.enter("storing", "done");
    write("going-message", "It is stored.", this.root);
    if (this.isOff) this.countOff();
    else this.countBack();
  }

  countBack() {
    const leftS = Math.ceil(90 - (performance.now() - this.goneAt) / 1000);
    this.enter("going", "now");
    if (this.awayAt !== null) write("going-away", "The panel does not answer: the machine is on its way.", this.root);
    write("going-back", leftS > 0 ? `In about ${leftS} s.` : "It takes longer than usual. Wait some minutes more.", this.root);
  }

  countOff() {
    this.enter("going", this.awayAt === null ? "now" : "done");
    if (this.awayAt === null) return;
    const leftS = Math.ceil(60 - (performance.now() - this.awayAt) / 1000);
    write("going-away", "The panel does not answer any more.", this.root);
    this.enter("back", "now");
    write("going-back", leftS > 0 ? `Wait ${leftS} s, so that everything is written.` : "You can pull the plug now.", this.root);
  }

  enter(step, state) {
    this.root.querySelector(`[data-step="${step}"]`).className = state;
  }
}

// A change of the network: followed while the panel answers, and kept as soon as it answers with the change in force.
class TrialView {
  constructor(root) {
    this.root = root;
    this.phase = root.dataset.trial;
    this.leftAt = performance.now() + 1000 * Number(root.dataset.left);
    const keep = document.querySelector("[data-keep]");
    if (keep) return keep.requestSubmit();
    setInterval(() => this.count(), 1000);
    setTimeout(() => this.ask(), 1000);
  }

  async ask() {
    try {
      const stop = AbortSignal.timeout(4000);
      const answer = await fetch("/api/v1/network", { cache: "no-store", credentials: "same-origin", signal: stop });
      if (answer.status === 401) return location.assign("/login?next=/network");
      if (answer.ok) {
        const view = await answer.json();
        if (view.phase !== this.phase) return location.replace("/network/trial");
        this.leftAt = performance.now() + 1000 * view.left_s;
      }
    } catch (error) {
      write("trial-connecting", "The panel does not answer here at present.", this.root);
    }
    setTimeout(() => this.ask(), 1500);
  }

  count() {
    if (this.phase !== "on trial") return;
    const leftS = Math.max(0, Math.ceil((this.leftAt - performance.now()) / 1000));
    write("trial-left", `In ${leftS} s it is undone, unless an admin keeps it.`, this.root);
  }
}

// Sticks: the bar of a running export moves by itself; whatever else changes loads the page again, unless somebody fills in a form.
class UsbView {
  constructor(root) {
    this.root = root;
    this.seen = "";
    setInterval(() => document.hidden || this.ask(), 2000);
    this.ask();
  }

  async ask() {
    try {
      const how = { cache: "no-store", credentials: "same-origin" };
      const answers = await Promise.all([fetch("/api/v1/usb", how), fetch("/api/v1/jobs", how)]);
      if (answers.some((answer) => answer.status === 401)) return location.assign("/login?next=/usb");
      if (answers.every((answer) => answer.ok)) this.take(...(await Promise.all(answers.map((answer) => answer.json()))));
    } catch (error) {
      // The next round asks again.
    }
  }

  take(usb, jobs) {
    const still = usb.sticks.map((stick) => ({ ...stick, free_bytes: 0 }));
    const seen = JSON.stringify([still, jobs.jobs.map((job) => [job.id, job.state])]);
    const isNew = this.seen !== "" && seen !== this.seen;
    if (isNew && !this.root.querySelector("form:focus-within")) return location.replace("/usb");
    if (!isNew) this.seen = seen;
    for (const job of jobs.jobs) if (job.state === "running") this.show(job);
  }

  show(job) {
    const bar = this.root.querySelector(`[data-key="share-${job.id}"]`);
    if (bar) bar.value = job.total ? job.done / job.total : 0;
    write(`message-${job.id}`, job.message, this.root);
    const left = job.eta_s === null ? "" : `, about ${stretch(job.eta_s)} left`;
    write(`amount-${job.id}`, `${size(job.done)} of ${size(job.total)}${left}`, this.root);
  }
}

// A part of a page that changes by itself: it is asked for again and put in place of what stands there, unless somebody is at it.
function keepFresh(root) {
  const plan = () => root.dataset.again && setTimeout(ask, Number(root.dataset.again) * 1000);
  const ask = () => {
    if (document.hidden || root.contains(document.activeElement)) return plan();
    const request = new XMLHttpRequest(); // it parses pages without a way for markup made here
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 20000;
    request.onloadend = async () => {
      const isLedAway = request.responseURL && new URL(request.responseURL).pathname !== location.pathname;
      if (request.status === 401 || request.status === 403 || isLedAway) return location.reload();
      const fresh = request.status === 200 && request.response && request.response.getElementById(root.id);
      root.classList.toggle("is-offline", !fresh);
      if (fresh) {
        const made = document.importNode(fresh, true);
        // A new picture takes the place of the old one when it can be painted, so that nothing flashes at night.
        await Promise.allSettled([...made.querySelectorAll("img")].map((picture) => picture.decode()));
        root.replaceWith(made);
        root = made;
      }
      plan();
    };
    request.send();
  };
  plan();
}

function switchMode() {
  const page = document.documentElement;
  const isRed = page.dataset.mode !== "red";
  if (isRed) page.dataset.mode = "red";
  else delete page.dataset.mode;
  try {
    localStorage.setItem("nightjar-mode", isRed ? "red" : "dark");
  } catch (error) {
    // Storage may be forbidden.
  }
  for (const button of document.querySelectorAll("[data-mode-switch]")) button.setAttribute("aria-pressed", String(isRed));
}

for (const button of document.querySelectorAll("[data-mode-switch]")) {
  button.hidden = false;
  button.setAttribute("aria-pressed", String(document.documentElement.dataset.mode === "red"));
  button.addEventListener("click", switchMode);
}
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  });
}
const live = document.querySelector("[data-live]");
if (live) new LiveView(live);
const system = document.querySelector("[data-system]");
if (system) new SystemView(system);
for (const root of document.querySelectorAll("[data-trial]")) new TrialView(root);
for (const root of document.querySelectorAll("[data-machine-time]")) new MachineTime(root);
for (const form of document.querySelectorAll("[data-browser-time]")) {
  form.hidden = false;
  form.addEventListener("submit", () => { form.elements.browser_ms.value = String(Date.now()); });
}
const going = document.querySelector("[data-going]");
if (going) new GoingView(going);
const usb = document.querySelector("[data-usb]");
if (usb) new UsbView(usb);
for (const root of document.querySelectorAll("[data-again]")) keepFresh(root);
