// Zoom and pan, the same in every pane, so that the same spot is compared. Swipes, where nothing is enlarged.

import { showOriginal } from "./pictures.js";

const LARGEST = 8;
const STEP = 1.4;
const SWIPE = 70; // pixels until a swipe counts

export class Zoom {
  scale = 1;
  x = 0; // offset in shares of a pane
  y = 0;
  #panes = [];
  #pointers = new Map();
  #start = null;

  /**
   * @param {HTMLElement} stage holds the panes; gestures are taken here
   * @param {{onSwipe: (way: "left"|"right"|"up") => void, onDrag: (dx: number, dy: number) => void}} handlers
   */
  constructor(stage, handlers) {
    this.stage = stage;
    this.handlers = handlers;
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.#up(event, name === "pointerup"));
    }
    stage.addEventListener("dblclick", (event) => {
      if (this.scale > 1) this.reset();
      else this.#zoomAt(event, 2.5);
    });
  }

  /**
   * Zoom these panes from now on.
   * @param {HTMLElement[]} panes each holds one image
   * @param {boolean} [keep] whether the zoom stays; else it starts from the whole picture
   */
  use(panes, keep = false) {
    this.#panes = panes;
    if (keep) this.#apply();
    else this.reset();
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    this.#apply();
  }

  /** Zoom about the middle. @param {1|-1} way */
  step(way) {
    this.#scaleAbout(0.5, 0.5, this.scale * STEP ** way);
  }

  #scaleAbout(px, py, wanted) {
    const scale = Math.min(LARGEST, Math.max(1, wanted));
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.#apply();
  }

  #apply() {
    this.x = Math.min(0, Math.max(1 - this.scale, this.x));
    this.y = Math.min(0, Math.max(1 - this.scale, this.y));
    const whole = this.scale === 1;
    this.stage.classList.toggle("enlarged", !whole);
    for (const pane of this.#panes) {
      const image = pane.querySelector("img");
      if (image && !whole) showOriginal(image);
      if (image) image.style.transform = whole ? "" : `translate(${this.x * 100}%, ${this.y * 100}%) scale(${this.scale})`;
    }
  }

  /** Where in its pane an event is, in shares; the middle outside of all panes. */
  #place(event) {
    const pane = event.target.closest?.(".pane-picture") || this.#panes[0];
    if (!pane) return [0.5, 0.5];
    const box = pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #zoomAt(event, scale) {
    this.#scaleAbout(...this.#place(event), scale);
  }

  #wheel(event) {
    if (!event.target.closest?.(".pane-picture")) return;
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    this.#zoomAt(event, this.scale * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)));
  }

  #down(event) {
    if (event.button !== 0 || event.target.closest("button, a")) return;
    this.#pointers.set(event.pointerId, event);
    if (event.pointerType === "mouse") this.stage.setPointerCapture(event.pointerId);
    this.#start = { event, x: this.x, y: this.y, scale: this.scale, spread: this.#spread(), place: this.#place(event) };
  }

  #spread() {
    const [a, b] = [...this.#pointers.values()];
    return b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0;
  }

  #move(event) {
    if (!this.#pointers.has(event.pointerId) || !this.#start) return;
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size > 1) {
      this.handlers.onDrag(0, 0);
      if (this.#start.spread) this.#scaleAbout(...this.#start.place, (this.#start.scale * this.#spread()) / this.#start.spread);
      return;
    }
    const dx = event.clientX - this.#start.event.clientX;
    const dy = event.clientY - this.#start.event.clientY;
    if (this.scale > 1) this.#pan(dx, dy);
    else if (event.pointerType === "touch") this.handlers.onDrag(dx, Math.min(0, dy));
  }

  #pan(dx, dy) {
    const box = this.#panes[0].getBoundingClientRect();
    this.x = this.#start.x + dx / box.width;
    this.y = this.#start.y + dy / box.height;
    this.#apply();
  }

  #up(event, finished) {
    const start = this.#start;
    const single = this.#pointers.size === 1 && this.#pointers.has(event.pointerId);
    this.#pointers.delete(event.pointerId);
    this.handlers.onDrag(0, 0);
    this.#start = null;
    const swipes = finished && single && start && event.pointerType === "touch" && !start.spread && start.scale === 1;
    if (!swipes || this.scale > 1) return;
    const way = swipeWay(event.clientX - start.event.clientX, event.clientY - start.event.clientY);
    if (way) this.handlers.onSwipe(way);
  }
}

/** @returns {"left"|"right"|"up"|null} the way of a movement, where it is clear */
export function swipeWay(dx, dy) {
  if (Math.abs(dx) > SWIPE && Math.abs(dx) > 1.3 * Math.abs(dy)) return dx > 0 ? "right" : "left";
  return -dy > SWIPE && -dy > 1.3 * Math.abs(dx) ? "up" : null;
}
