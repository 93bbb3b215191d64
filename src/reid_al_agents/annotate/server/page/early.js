// Sets the colours chosen before, ahead of the first paint. Not a module: it must not wait.
try {
  document.documentElement.dataset.theme = localStorage.getItem("reid-al:theme") || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
