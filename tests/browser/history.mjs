// To another page and back by the back/forward cache, in any browser.

import { until } from './wait.mjs';

// Goes to `url`, does something there, and goes `back`. Rejects where the page was loaded anew instead, with
// what `reasons` answers of the browser's reasons.
export async function throughHistory(page, url, meanwhile, { back, reasons = () => [] }) {
  const mark = String(Math.random());
  await page.evaluate((value) => {
    const key = Symbol.for('fiftyten.test.mark');
    globalThis[key] = { value, persisted: false };
    addEventListener('pageshow', (event) => {
      globalThis[key].persisted = event.persisted;
    }, { once: true });
  }, mark);
  await page.goto(url);
  await meanwhile();
  await back();
  await page.until((away) => location.href !== away && document.readyState === 'complete', { values: [url] });
  const kept = () =>
    page.evaluate((value) => {
      const found = globalThis[Symbol.for('fiftyten.test.mark')];
      return found?.value === value && found.persisted;
    }, mark);
  // A restored page is there at once; one that was loaded anew would never be.
  const persisted = await until(kept, { timeout: 2_000 }).catch(() => false);
  if (!persisted) throw new Error(`the page was not kept in the back/forward cache: ${reasons().join(', ') || 'no reason given'}`);
}
