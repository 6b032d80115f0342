// Settings shared by the whole process: the instruction set and the number of threads.
#pragma once

#include <napi.h>

namespace heed {

Napi::Value available_instruction_sets(const Napi::CallbackInfo& info);  // () → names, best last
Napi::Value instruction_set(const Napi::CallbackInfo& info);             // () → name
Napi::Value set_instruction_set(const Napi::CallbackInfo& info);         // (name)
Napi::Value threads(const Napi::CallbackInfo& info);                     // () → number
Napi::Value set_threads(const Napi::CallbackInfo& info);                 // (number)
Napi::Value pins(const Napi::CallbackInfo& info);                        // () → boolean: see pin.h

}  // namespace heed
