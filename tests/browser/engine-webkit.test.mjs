// The suite in webkit.

import { suite } from './suite/suite.mjs';

suite('webkit');
