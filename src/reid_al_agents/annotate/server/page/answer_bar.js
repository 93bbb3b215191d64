// The buttons under the pictures, each with the key that does the same.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { iconOf, wordsOf } from "./cards_view.js";

const KEYS = { same: "Y", different: "N", cannot_tell: "keys.space", incomparable: "C", bad_candidate: "B", bad_query: "keys.shift_b" };
const SPOKEN = { ...KEYS, cannot_tell: "Space", bad_query: "Shift+B" };
const MAIN = ["different", "cannot_tell", "same"];

/**
 * @param {"pair"|"row"} layout
 * @param {(action: import("./keys.js").Action) => void} act
 * @param {() => number} marked how many pictures of the row are marked as the same
 * @param {(value: string) => boolean} open whether an answer can be given
 */
export function answerBar(layout, act, marked, open) {
  const row = layout === "row"; // where each candidate has its own buttons for the rest
  const main = row ? [sendButton(act, marked())] : MAIN.map((value) => answerButton(value, act, open(value), row));
  const rest = (row ? ["bad_query"] : ["incomparable", "bad_query", "bad_candidate"]).map((value) => answerButton(value, act, open(value), row));
  const undo = button(
    { class: "answer minor", keepFocus: true, data: { do: "undo", name: "undo" }, "aria-keyshortcuts": "Backspace", on: { click: () => act({ do: "undo" }) } },
    icon("undo"), h("span", { text: t("answer.undo") }), h("kbd", { text: t("keys.backspace") }),
  );
  const skip = button(
    { class: "answer minor", keepFocus: true, data: { do: "skip", name: "skip" }, "aria-keyshortcuts": "S", on: { click: () => act({ do: "skip" }) } },
    icon("more"), h("span", { text: t("answer.skip") }), h("kbd", { text: "S" }),
  );
  const groups = [h("div.main-answers", {}, ...main), h("div.minor-answers", {}, ...rest, skip, undo)];
  return h("div.answer-bar", { role: "group", "aria-label": t(row ? "answer.bar_row" : "answer.bar"), data: { layout } }, ...groups);
}

function answerButton(value, act, open, row) {
  const minor = !MAIN.includes(value);
  return button(
    { class: minor ? "answer minor" : "answer", keepFocus: true, disabled: !open, data: { answer: value, name: value, waits: "pictures" }, "aria-keyshortcuts": SPOKEN[value], on: { click: () => act({ do: "answer", value }) } },
    icon(iconOf(value)), h("span", { text: wordsOf(value, row) }), h("kbd", { text: t(KEYS[value]) }),
  );
}

function sendButton(act, count) {
  const words = count ? t("answer.send", { n: count }) : t("answer.send_none");
  return button(
    { class: "answer send", keepFocus: true, data: { do: "send", name: "send", waits: "pictures" }, "aria-keyshortcuts": "Enter", on: { click: () => act({ do: "send" }) } },
    h("span", { text: words }), h("kbd", { text: t("keys.enter") }),
  );
}
