import { suite } from './suite/suite.mjs';

suite('firefox', 'session');
