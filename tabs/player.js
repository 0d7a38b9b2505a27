// Plays frames of a training (or of layers): a map of films, curves and a list change together.
// charts/replay.py tells what it is given. All of it happens here: no frame waits for the server.

const SVG = "http://www.w3.org/2000/svg";
const still = matchMedia("(prefers-reduced-motion: reduce)");
const players = new WeakMap(); // by the place that Streamlit gives

function make(parent, tag, attributes = {}, text = "") {
  const svg = ["svg", "g", "circle", "text", "path", "line", "title"].includes(tag);
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

class Player {
  constructor(root) {
    this.at = 0; // the frame that is shown
    this.playing = true;
    const box = make(root, "div", { class: "player" });
    this.#controls(make(box, "div", { class: "controls" }));
    this.said = make(box, "p", { class: "said" });
    this.parts = make(box, "div", { class: "parts" });
  }

  #controls(bar) {
    const button = (name, sign, act) => {
      const made = make(bar, "button", { type: "button", "aria-label": name, title: name }, sign);
      made.addEventListener("click", act);
      return made;
    };
    this.back = button("Step back", "‹", () => this.step(-1));
    this.play = button("Pause", "❚❚", () => this.setPlaying(!this.playing));
    this.on = button("Step on", "›", () => this.step(1));
    this.scrub = make(bar, "input", { type: "range", min: 0, step: 1 });
    this.scrub.addEventListener("input", () => {
      this.setPlaying(false);
      this.show(Number(this.scrub.value));
    });
    this.speed = make(bar, "select", { "aria-label": "Speed" });
    for (const [text, ms] of [["½ ×", 1000], ["1 ×", 500], ["2 ×", 250], ["4 ×", 125]])
      make(this.speed, "option", { value: ms }, text);
    this.speed.value = 500;
  }

  // The frames so far; once more whenever there are new ones.
  take(data) {
    const anew = data.id !== this.data?.id;
    this.data = data;
    if (anew) {
      this.at = 0;
      this.#draw();
      this.setPlaying(true);
    }
    this.scrub.max = data.total - 1;
    this.scrub.setAttribute("aria-label", `${data.unit[0].toUpperCase()}${data.unit.slice(1)}`);
    this.#scale();
    this.show(Math.min(this.at, data.frames.length - 1));
  }

  step(by) {
    this.setPlaying(false);
    this.show(this.at + by);
  }

  setPlaying(playing) {
    const atEnd = this.at === this.data?.total - 1;
    if (playing && atEnd && this.data.total > 1) this.show(0);
    this.playing = playing;
    this.play.textContent = playing ? "❚❚" : "▶";
    const name = playing ? "Pause" : "Play";
    this.play.setAttribute("aria-label", name);
    this.play.title = name;
    clearTimeout(this.timer);
    if (playing) this.timer = setTimeout(() => this.#tick(), Number(this.speed.value));
  }

  #tick() {
    if (!this.scrub.isConnected || !this.playing) return;
    if (this.at < this.data.frames.length - 1) this.show(this.at + 1);
    if (this.at === this.data.total - 1) this.setPlaying(false);
    else this.timer = setTimeout(() => this.#tick(), Number(this.speed.value));
  }

  // --- what does not change from frame to frame -------------------------------------------------

  #draw() {
    const { data } = this;
    this.parts.replaceChildren();
    const map = make(this.parts, "figure", { class: "map", "aria-label": data.title });
    make(map, "h3", {}, data.title);
    const plot = make(map, "svg", { viewBox: "-100 -100 200 200", role: "img" });
    plot.setAttribute("aria-label", data.title);
    this.dots = data.shown.map(([name, colour, mine]) => {
      const dot = make(plot, "circle", { r: mine ? 2.2 : 1.5, fill: data.colours[colour][1] });
      dot.classList.toggle("mine", mine);
      make(dot, "title", {}, name);
      return dot;
    });
    this.marks = Array.from({ length: data.top }, (_, rank) => {
      const mark = make(plot, "g", { class: "mark" });
      make(mark, "circle", { r: 4.4 });
      make(mark, "text", { y: 1.6 }, String(rank + 1));
      make(mark, "title");
      return mark;
    });
    this.me = make(plot, "g", { class: "me" });
    make(this.me, "path", { d: "M0-6 1.7-1.9 6-1.9 2.6.8 3.8 5 0 2.5-3.8 5-2.6.8-6-1.9-1.7-1.9Z" });
    make(this.me, "title", {}, data.who);
    this.#legend(make(map, "figcaption"));

    const lists = make(this.parts, "section");
    make(lists, "h3", {}, data.listTitle);
    this.list = make(lists, "ol");
    this.rows = Array.from({ length: data.top }, () => {
      const row = make(this.list, "li");
      return { row, name: make(row, "span"), score: make(row, "b") };
    });
    make(lists, "small", {}, data.listNote);
    const plots = make(this.parts, "div", { class: "plots" });
    this.curves = data.curves.map((curve) => this.#curve(plots, curve));
  }

  #legend(caption) {
    const entry = (sign, text, style = "") => {
      const span = make(caption, "span");
      make(span, "i", { style, class: sign ? "sign" : "" }, sign);
      span.append(text);
    };
    entry("★", this.data.who);
    entry("①", "their first ten");
    entry("◎", "rated by them, and learned from");
    for (const [name, colour] of this.data.colours) entry("", name, `background:${colour}`);
  }

  #curve(plots, { title, lines }) {
    const section = make(plots, "section", { class: "curve" });
    const range = make(make(section, "h3", {}, title), "small");
    const legend = make(section, "p");
    const plot = make(section, "svg", {
      viewBox: "0 0 300 96", preserveAspectRatio: "none", role: "img", "aria-label": title,
    });
    const cursor = make(plot, "line", { class: "cursor", y1: 0, y2: 96 });
    const drawn = lines.map(({ name, colour }) => {
      const span = make(legend, "span");
      make(span, "i", { style: `background:${colour}` });
      span.append(`${name} `);
      return { path: make(plot, "path", { stroke: colour }), value: make(span, "b") };
    });
    return { cursor, drawn, range };
  }

  // --- what does ---------------------------------------------------------------------------------

  // One scale for all frames so far, so that what moves on the screen has moved.
  #scale() {
    const { data } = this;
    const points = data.frames.flatMap((frame) => [
      ...frame.places, ...frame.me, ...frame.top.flatMap(([, x, y]) => [x, y]),
    ]);
    const reach = points.reduce((far, value) => Math.max(far, Math.abs(value)), 1);
    this.zoom = 92 / (Math.ceil(reach / 100) * 100);
    this.curves.forEach(({ drawn, range }, n) => {
      const values = data.curves[n].lines.map((_, m) => data.frames.map((f) => f.values[n][m]));
      const known = values.flat().filter((value) => value !== null);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      range.textContent = `${low.toFixed(2)} to ${high.toFixed(2)}`;
      const x = (place) => (300 * place) / Math.max(data.total - 1, 1);
      const y = (value) => 92 - (88 * (value - low)) / (high - low || 1);
      drawn.forEach(({ path }, m) => {
        const steps = values[m].map((value, place) => [place, value]).filter(([, v]) => v !== null);
        const line = steps.map(([place, v], k) => `${k ? "L" : "M"}${x(place)} ${y(v)}`).join("");
        path.setAttribute("d", steps.length === 1 ? `${line}h1` : line);
      });
    });
  }

  show(at) {
    const { data, zoom } = this;
    if (at < 0 || at >= data.frames.length) return;
    this.at = at;
    const frame = data.frames[at];
    this.parts.classList.toggle("moving", !still.matches);
    this.parts.style.setProperty("--pace", `${Math.min(Number(this.speed.value), 450)}ms`);
    const put = (element, x, y) => {
      element.style.transform = `translate(${x * zoom}px,${-y * zoom}px)`;
    };
    this.dots.forEach((dot, n) => put(dot, frame.places[2 * n], frame.places[2 * n + 1]));
    this.me.toggleAttribute("hidden", !frame.me.length);
    if (frame.me.length) put(this.me, ...frame.me);
    this.marks.forEach((mark, rank) => {
      const film = frame.top[rank];
      mark.toggleAttribute("hidden", !film);
      if (!film) return;
      put(mark, film[1], film[2]);
      mark.lastChild.textContent = film[0];
    });
    const before = new Set((data.frames[at - 1]?.top ?? frame.top).map(([name]) => name));
    this.rows.forEach(({ row, name, score }, rank) => {
      const [title, , , points, heldOut] = frame.top[rank] ?? ["–", 0, 0, "", false];
      name.textContent = heldOut ? `${title} ✓` : title;
      name.title = heldOut ? `${title}: ${data.heldOut}` : title;
      score.textContent = points;
      row.classList.toggle("new", !before.has(title));
    });
    this.curves.forEach(({ cursor, drawn }, n) => {
      const x = (300 * at) / Math.max(data.total - 1, 1);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      drawn.forEach(({ value }, m) => {
        const number = frame.values[n][m];
        value.textContent = number === null ? "–" : number.toFixed(data.digits);
      });
    });
    this.scrub.value = at;
    const waits = data.running && at === data.frames.length - 1 && at < data.total - 1;
    const words = `${data.unit} ${frame.at} of ${data.total - 1}`;
    this.said.textContent = words[0].toUpperCase() + words.slice(1) + (waits ? " · computing …" : "");
    this.scrub.setAttribute("aria-valuetext", words);
    this.back.disabled = at === 0;
    this.on.disabled = at === data.frames.length - 1;
  }
}

export default function ({ data, parentElement }) {
  let player = players.get(parentElement);
  if (!player) players.set(parentElement, (player = new Player(parentElement)));
  player.take(data);
}
