// heed_openblas: computes one product of float32 matrices, y = x Wᵀ, with OpenBLAS, for a benchmark in
// another process. Arguments: ROWS INNER COLUMNS. It reads x [rows, inner] and W [columns, inner] from its
// input and writes y. For every byte that follows, it multiplies again and writes the time taken, a double in
// milliseconds. OpenBLAS reads its number of threads from OPENBLAS_NUM_THREADS.
#include <cblas.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

bool read_all(std::vector<float>& values) {
  return std::fread(values.data(), sizeof(float), values.size(), stdin) == values.size();
}

template <class Number>
void write_all(const Number* numbers, size_t count) {
  std::fwrite(numbers, sizeof(Number), count, stdout);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "Expected ROWS INNER COLUMNS\n");
    return 2;
  }
  const int rows = std::atoi(arguments[1]), inner = std::atoi(arguments[2]),
            columns = std::atoi(arguments[3]);
  const auto matrix = [](int height, int width) {
    return std::vector<float>(static_cast<size_t>(height) * static_cast<size_t>(width));
  };
  std::vector<float> input = matrix(rows, inner), weight = matrix(columns, inner),
                     output = matrix(rows, columns);
  if (!read_all(input) || !read_all(weight)) return 1;
  const auto multiply = [&] {
    if (rows == 1) {
      cblas_sgemv(CblasRowMajor, CblasNoTrans, columns, inner, 1, weight.data(), inner, input.data(), 1, 0,
                  output.data(), 1);
    } else {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, inner, 1, input.data(), inner,
                  weight.data(), inner, 0, output.data(), columns);
    }
  };
  multiply();
  write_all(output.data(), output.size());
  while (std::getchar() != EOF) {
    const auto began = std::chrono::steady_clock::now();
    multiply();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - began;
    const double milliseconds = time.count();
    write_all(&milliseconds, 1);
  }
}
