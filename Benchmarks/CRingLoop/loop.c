int martlet_placeholder;
