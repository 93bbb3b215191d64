// Sending files, part by part, so that neither a slow line nor a large file is a hindrance.

import { newKey, putPart, remove } from "./api.js";

const PART = 1 << 20; // bytes
const AT_ONCE = 3; // files
const TRIES = 4;
const PAUSE = 1000; // milliseconds before another try

/**
 * @param {File[]} files those without content are left out
 * @param {(done: number, total: number) => void} onProgress in bytes
 * @returns {Promise<string>} the number of the upload
 */
export async function upload(files, onProgress) {
  const id = newKey();
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const queue = files.filter((file) => file.size);
  let done = 0;
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      for (let offset = 0; offset < file.size; offset += PART) {
        const part = file.slice(offset, offset + PART);
        await sendPart(id, file, offset, part);
        done += part.size;
        onProgress(done, total);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } catch (error) {
    queue.length = 0;
    discard(id);
    throw error;
  }
  return id;
}

async function sendPart(id, file, offset, part) {
  const path = `/api/uploads/${id}?offset=${offset}&name=${encodeURIComponent(file.webkitRelativePath || file.name)}`;
  for (let tries = 1; ; tries += 1) {
    try {
      return await putPart(path, part);
    } catch (error) {
      if (tries === TRIES || !(error.status === 0 || error.status === 429)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** @param {string} id of an upload that is not wanted after all */
export function discard(id) {
  return remove(`/api/uploads/${id}`).catch(() => {});
}
