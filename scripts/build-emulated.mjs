// Builds build/emulated/heed.node: the whole addon, with emulated GPUs. Tests use it with HEED_BACKEND=cuda-emulator.
import { build, configure } from './cmake.mjs';

configure('emulator');
build('emulated-addon');
