// All pictures of one identity on one screen: those that do not belong are ticked, the others confirmed at once.

import { correctDetails } from "./details.js";
import { button, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { imageWords, suggestedWords, tile } from "./pictures.js";
import { Stopwatch } from "./stopwatch.js";

export class GroupScreen {
  #ticked = new Set();
  #watch = new Stopwatch();

  /**
   * @param {object} group with all its pictures, in the order in which they are shown
   * @param {(path: string, body: object, words: string) => Promise<boolean>} change sends an edit
   * @param {(path: string) => void} onDone what was sent
   * @param {object} session @param {(reply: object) => void} onCorrected side or date of pictures are others now
   */
  constructor(group, change, onDone, session, onCorrected) {
    Object.assign(this, { group, change, onDone, session, onCorrected });
    this.bar = h("div.screen-buttons", { role: "group", "aria-label": t("screen.bar") });
    this.list = h("ul.images", {}, ...bySequence(group.images).map((images) => this.#cell(images)));
    this.#watch.restart();
    this.#drawBar();
  }

  /** A picture, or the first of a sequence, which stands for all its frames until it is unfolded. */
  #cell(images) {
    const [image] = images;
    const onChange = (event) => {
      for (const { id } of images) {
        if (event.target.checked) this.#ticked.add(id);
        else this.#ticked.delete(id);
      }
      this.#drawBar();
    };
    const frames = images.length > 1 ? t("screen.frames", { n: images.length }) : "";
    const words = [captionOf(image), frames].filter(Boolean).join(" · ");
    const checked = images.every(({ id }) => this.#ticked.has(id));
    const box = h("input", { type: "checkbox", checked, "aria-label": [...new Set([words, image.name])].join(", "), on: { change: onChange } });
    const cell = h("li", { class: frames ? "sequence" : null }, h("label", {}, box, tile(image, { lazy: true, alt: "", title: null }), h("span", { text: words, title: image.name })));
    if (frames) cell.append(this.#unfolding(images, cell));
    return cell;
  }

  #unfolding(images, cell) {
    const unfold = () => {
      const single = images.map((image) => this.#cell([image]));
      cell.replaceWith(...single);
      single[0].querySelector("input").focus();
    };
    return button({ class: "link small", text: t("screen.unfold"), "aria-label": t("screen.unfold_long", { n: images.length }), on: { click: unfold } });
  }

  #drawBar() {
    const all = this.group.images.length;
    const out = this.#ticked.size;
    const n = all - out;
    const confirm = (different, label) =>
      button({ class: out ? "secondary" : "primary", disabled: n < (different ? 1 : 2), data: { do: different ? "both" : "confirm" }, text: label, on: { click: () => this.#confirm(different) } });
    const split = () =>
      button({ class: "primary", disabled: !n, data: { do: "split" }, text: t("identities.split", { n: out }), on: { click: () => this.#split() } });
    const buttons = out
      ? [split(), confirm(true, t("screen.both", { n, out })), confirm(false, t("screen.confirm_rest", { n }))]
      : [confirm(false, t("screen.confirm_all", { n }))];
    const correct = button({ class: "secondary", data: { do: "details" }, text: t("details.title", { n: out || all }), on: { click: () => this.#correct() } });
    this.bar.replaceChildren(...buttons, correct);
  }

  /** Of the ticked pictures, or of all where none is ticked. */
  async #correct() {
    const ticked = this.group.images.filter(({ id }) => this.#ticked.has(id));
    const reply = await correctDetails(ticked.length ? ticked : this.group.images, this.session);
    if (reply) this.onCorrected(reply);
  }

  async #split() {
    const words = t("identities.was_split", { n: number(this.#ticked.size) });
    await this.#send("split", { images: [...this.#ticked] }, words);
  }

  async #confirm(different) {
    const ids = this.group.images.map((image) => image.id);
    const same = ids.filter((id) => !this.#ticked.has(id));
    const seconds = Math.round(this.#watch.seconds * 1000) / 1000;
    const words = t("screen.confirmed", { n: same.length });
    await this.#send("confirm", { same, different: different ? [...this.#ticked] : [], seconds }, words);
  }

  async #send(kind, body, words) {
    this.bar.inert = true;
    const done = await this.change(`/api/identities/${kind}`, { identity: this.group.id, ...body }, words);
    this.bar.inert = false;
    if (done) this.onDone(kind);
  }
}

function captionOf(image) {
  return image.confirmed ? imageWords(image) : `${imageWords(image)} · ${suggestedWords(image)}`;
}

/** Pictures of one sequence together, at the place of the first. */
function bySequence(images) {
  const parts = new Map();
  for (const image of images) {
    const key = image.sequence ?? `single ${image.id}`;
    if (!parts.has(key)) parts.set(key, []);
    parts.get(key).push(image);
  }
  return [...parts.values()];
}
