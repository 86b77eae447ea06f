// The suite in chromium.

import { suite } from './suite/suite.mjs';

suite('chromium');
