// The suite in firefox.

import { suite } from './suite/suite.mjs';

suite('firefox');
