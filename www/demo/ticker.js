// Draws as often as a person sees a difference, and only while the page is visible.

const EVERY = 100; // ms
const EVERY_CALMLY = 1_000; // ms, for those who asked for less motion

export function ticker(draw) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let pending = false;
  const ask = () => {
    pending = true;
    requestAnimationFrame(frame);
  };
  const frame = () => {
    pending = false;
    draw();
    if (document.hidden) return;
    pending = true;
    setTimeout(ask, calm.matches ? EVERY_CALMLY : EVERY);
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !pending) ask();
  });
  frame();
}
