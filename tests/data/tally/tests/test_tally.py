import unittest

from tally import count, total


class Words(unittest.TestCase):
    def test_counts(self):
        self.assertEqual(count("a b a"), {"a": 2, "b": 1})

    def test_case_does_not_matter(self):
        self.assertEqual(count("Tea tea TEA"), {"tea": 3})


class Columns(unittest.TestCase):
    def test_sums(self):
        self.assertEqual(total([{"n": 1}, {"n": 2}], "n"), 3)

    def test_a_row_without_the_column(self):
        self.assertEqual(total([{"n": 1}, {}], "n"), 1)


if __name__ == "__main__":
    unittest.main()
