#!/usr/bin/env node
import '../base/polyfill.ts'
