// What unit tests read on top.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "std.h"
