// Small settings that outlast the page. Where the browser keeps nothing, they last as long as the page.

const PREFIX = "reid-al:";

/** @param {string} name @returns {string|null} */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // private browsing, or the disk is full: the setting lasts until the page closes
  }
}
