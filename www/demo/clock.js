// The clocks of this page, which can be moved. The SDK reads `Date.now()` and `performance.now()`
// and nothing else, so moving both is what a sleeping machine looks like when it wakes: time has
// passed, and timers know nothing of it. Imported before the SDK.

const wall = Date.now.bind(Date);
const monotonic = performance.now.bind(performance);
let slept = 0;

Date.now = () => wall() + slept;
performance.now = () => monotonic() + slept;

// What the page itself measures and draws by: the true time in ms since it was opened.
export const now = monotonic;

// Lets the clocks of the SDK jump ahead by so many ms.
export function sleep(ms) {
  slept += ms;
}

const OF_DAY = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

// The true time of day of a moment of `now`.
export const timeOfDay = (moment) => OF_DAY.format(wall() - monotonic() + moment);
