// The buttons under the pictures, each with the key that does the same.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { iconOf } from "./cards_view.js";

const KEYS = { same: "Y", different: "N", cannot_tell: "␣", incomparable: "C", bad_candidate: "B", bad_query: "⇧B" };
const SPOKEN = { ...KEYS, cannot_tell: "Space", bad_query: "Shift+B" };

/**
 * @param {"pair"|"row"} layout
 * @param {(action: import("./keys.js").Action) => void} act
 * @param {() => number} marked how many candidates of the row are marked as the same
 */
export function answerBar(layout, act, marked) {
  const send = layout === "row" ? sendButton(act, marked()) : null;
  const main = ["different", "cannot_tell", "same"].map((value) => answerButton(value, act));
  const rest = ["incomparable", "bad_candidate", "bad_query"].map((value) => answerButton(value, act));
  const undo = button(
    { class: "answer minor", keepFocus: true, data: { do: "undo" }, "aria-keyshortcuts": "Backspace", on: { click: () => act({ do: "undo" }) } },
    icon("undo"), h("span", { text: t("answer.undo") }), h("kbd", { text: "⌫" }),
  );
  const groups = [h("div.main-answers", {}, ...main), send, h("div.minor-answers", {}, ...rest, undo)];
  return h("div.answer-bar", { role: "group", "aria-label": t(layout === "row" ? "answer.bar_row" : "answer.bar"), data: { layout } }, ...groups.filter(Boolean));
}

function answerButton(value, act) {
  const minor = !["different", "cannot_tell", "same"].includes(value);
  return button(
    { class: minor ? "answer minor" : "answer", keepFocus: true, data: { answer: value }, "aria-keyshortcuts": SPOKEN[value], on: { click: () => act({ do: "answer", value }) } },
    icon(iconOf(value)), h("span", { text: t(`answer.${value}`) }), h("kbd", { text: KEYS[value] }),
  );
}

function sendButton(act, count) {
  const words = count ? t("answer.send", { n: count }) : t("answer.send_none");
  return button(
    { class: "answer send", keepFocus: true, data: { do: "send" }, "aria-keyshortcuts": "Enter", on: { click: () => act({ do: "send" }) } },
    h("span", { text: words }), h("kbd", { text: "⏎" }),
  );
}
