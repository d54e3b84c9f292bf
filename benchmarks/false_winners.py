import argparse, sys
import measure
import my_script
p = argparse.ArgumentParser()
p.add_argument("--data"); p.add_argument("--out"); p.add_argument("--image_size")
p.add_argument("--base_seeds", type=int); p.add_argument("--seeds", default="8")
o = p.parse_args()
my_script.BASE_SEEDS, my_script.FIRST_SEED = o.base_seeds, 100
sys.argv = ["my_script.py", "--data", o.data, "--out", o.out, "--image_size", o.image_size, "--seeds", o.seeds]
my_script.main()
