// The page of updates: a bundle goes to the appliance in chunks and goes on where it stopped; what the updater does is followed.
"use strict";

const CHUNK_BYTES = 4 * 1024 * 1024;
const CHUNK_MS = 110000;
const LONGEST_WAIT_S = 30;

// SHA-256 (FIPS 180-4) of what comes in pieces: browsers have it for whole messages only, and a bundle does not fit into memory.
class Sha256 {
  static constants() {
    const primes = [];
    for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime)) primes.push(number);
    const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
    return [primes.map((prime) => fraction(Math.cbrt(prime))), primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)))];
  }

  constructor() {
    const [rounds, start] = Sha256.constants();
    this.rounds = Int32Array.from(rounds);
    this.state = Int32Array.from(start);
    this.words = new Int32Array(64);
    this.rest = new Uint8Array(64);
    this.held = 0;
    this.length = 0;
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.held) {
      at = Math.min(64 - this.held, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.held);
      this.held += at;
      if (this.held < 64) return;
      this.block(this.rest, 0);
      this.held = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.block(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.held = bytes.length - at;
  }

  block(bytes, at) {
    const { words, rounds, state } = this;
    for (let n = 0; n < 16; n++, at += 4) {
      words[n] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let n = 16; n < 64; n++) {
      const x = words[n - 15], y = words[n - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[n] = (words[n - 16] + s0 + words[n - 7] + s1) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let n = 0; n < 64; n++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const one = (h + s1 + ((e & f) ^ (~e & g)) + rounds[n] + words[n]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }

  hex() {
    const bits = this.length * 8, end = new Uint8Array(this.held < 56 ? 64 - this.held : 128 - this.held);
    end[0] = 0x80;
    new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(bits));
    this.update(end);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

class RefusedError extends Error {}

// One upload: the file is read for its hash, announced, and sent piece by piece; a lost connection is waited for.
class Upload {
  constructor(file, csrf, show) {
    this.file = file;
    this.csrf = csrf;
    this.show = show;
    this.waitS = 1;
  }

  async run() {
    const sha256 = await this.hash();
    for (;;) {
      try {
        await this.send(sha256);
        return;
      } catch (error) {
        if (error instanceof RefusedError) throw error;
        this.show("The appliance does not answer. The upload goes on by itself when it does.", null);
        await new Promise((done) => setTimeout(done, this.waitS * 1000));
        this.waitS = Math.min(this.waitS * 2, LONGEST_WAIT_S);
      }
    }
  }

  async hash() {
    const digest = new Sha256();
    for (let at = 0; at < this.file.size; at += CHUNK_BYTES) {
      this.show("The file is read", at);
      digest.update(new Uint8Array(await this.piece(at).arrayBuffer()));
    }
    return digest.hex();
  }

  piece(at) {
    return this.file.slice(at, at + CHUNK_BYTES);
  }

  async send(sha256) {
    const announced = JSON.stringify({ size: this.file.size, sha256 });
    let state = await this.put("/api/v1/update/upload", announced, "application/json");
    while (!state.is_whole) {
      this.show("It is uploaded", state.have);
      const address = `/api/v1/update/upload/${sha256}?offset=${state.have}`;
      state = await this.put(address, this.piece(state.have), "application/octet-stream");
      this.waitS = 1;
    }
  }

  async put(address, body, type) {
    const headers = { "X-CSRF-Token": this.csrf, "Content-Type": type };
    const how = { method: "PUT", headers, body, cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(CHUNK_MS) };
    const answer = await fetch(address, how);
    if (answer.status === 401) {
      location.assign("/login?next=/update");
      throw new RefusedError("Log in again, and choose the same file: the upload goes on.");
    }
    const told = await answer.json();
    if (answer.ok || (answer.status === 409 && "have" in told)) return told;
    if (answer.status >= 500 && answer.status !== 507) throw new Error(told.detail);
    throw new RefusedError(told.detail);
  }
}

class UpdatePage {
  constructor(root) {
    this.root = root;
    this.seen = "";
    this.isUploading = false;
    this.form = root.querySelector("[data-upload]");
    if (this.form) {
      this.form.hidden = false;
      this.form.addEventListener("submit", (event) => { event.preventDefault(); this.upload(); });
    }
    window.addEventListener("beforeunload", (event) => { if (this.isUploading) event.preventDefault(); });
    setInterval(() => document.hidden || this.isUploading || this.ask(), 2000);
    this.ask();
  }

  async upload() {
    const [file] = this.form.elements.bundle.files;
    const place = this.root.querySelector("[data-uploading]");
    place.hidden = false;
    this.lock(true);
    try {
      await new Upload(file, this.form.elements.csrf.value, (message, done) => this.tell(file, message, done)).run();
      this.isUploading = false;
      location.replace("/update");
    } catch (error) {
      this.lock(false);
      write("upload-message", error.message, this.root);
      write("upload-amount", "", this.root);
    }
  }

  lock(isUploading) {
    this.isUploading = isUploading;
    for (const element of this.form.elements) element.disabled = isUploading;
  }

  tell(file, message, done) {
    write("upload-message", message, this.root);
    if (done === null) return;
    this.root.querySelector('[data-key="upload-share"]').value = file.size ? done / file.size : 0;
    write("upload-amount", `${size(done)} of ${size(file.size)}`, this.root);
  }

  async ask() {
    try {
      const answer = await fetch("/api/v1/update", { cache: "no-store", credentials: "same-origin" });
      if (answer.status === 401) return location.assign("/login?next=/update");
      if (answer.ok) this.take(await answer.json());
    } catch (error) {
      // The next round asks again.
    }
  }

  take(view) {
    if (this.isUploading) return;
    const { job } = view;
    const still = { ...view, arriving: null, job: job && [job.id, job.state] };
    const seen = JSON.stringify(still);
    const isNew = this.seen !== "" && seen !== this.seen;
    if (isNew && !this.root.querySelector("form:focus-within")) return location.replace("/update");
    if (!isNew) this.seen = seen;
    if (!job || job.state !== "running") return;
    const bar = this.root.querySelector('[data-key="update-share"]');
    if (bar) bar.value = job.total ? job.done / job.total : 0;
    write("update-message", job.message, this.root);
    write("update-amount", job.total ? `${Math.floor((100 * job.done) / job.total)} %` : "", this.root);
  }
}

const update = document.querySelector("[data-update]");
if (update) new UpdatePage(update);
