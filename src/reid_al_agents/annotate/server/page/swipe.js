// The card follows the finger and says what letting go will answer.

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { swipeWay } from "./zoom.js";

const MEANING = { left: "different", right: "same", up: "cannot_tell" };

/** @param {HTMLElement} stage @returns {{drag: (dx: number, dy: number) => void}} */
export function swipeCard(stage) {
  const badge = h("div.swipe-badge", { "aria-hidden": "true" });
  return {
    drag(dx, dy) {
      const columns = stage.querySelector(".columns");
      if (!columns) return;
      const moved = dx || dy;
      columns.style.transform = moved ? `translate(${dx}px, ${dy}px) rotate(${dx / 60}deg)` : "";
      const answer = MEANING[swipeWay(dx, dy)];
      if (!answer) return badge.remove();
      if (badge.dataset.answer !== answer) badge.replaceChildren(icon(answer), h("span", { text: t(`answer.${answer}`) }));
      badge.dataset.answer = answer;
      if (!badge.isConnected) stage.append(badge);
    },
  };
}
