export { SessionError } from './errors.js';
export { createSession } from './session.js';
